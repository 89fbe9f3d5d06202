//! The clients that are recognised.
//!
//! Shapes were read from the libraries' sources and recorded from their releases; treatments were measured,
//! each client against a scripted server and in a real Envoy.

use super::shape::{any, is, maybe};
use super::{Client, Conditions, LastStreamIds, Positions, Shape, Treatment, WindowUpdate};

/// It loses every stream that is open, and takes refusals better than promises: what a GOAWAY with the
/// highest id leaves open, python h2 does not deliver.
const PYTHON_H2: Treatment = Treatment {
    last_stream_id: LastStreamIds::Exact,
    at_end: Conditions::ALONE,
    ..Treatment::WHEN_IDLE
};

/// It reuses the session inside its own end handler: the GOAWAY has to be there before the frame that ends
/// the stream. With several streams it loses those that it has not sent yet.
const NODE: Treatment = Treatment {
    position: Positions::Before,
    at_end: Conditions::ALONE,
    ..Treatment::WHEN_IDLE
};

/// It loses the request behind the response, whichever GOAWAY it is.
const UNDICI: Treatment = Treatment {
    last_stream_id: LastStreamIds::Exact,
    ..Treatment::WHEN_IDLE
};

/// Every request with a body may be one that cannot be replayed, and Go closes the body of a request that
/// meets a connection that is going away before it opens its stream.
const GO: Treatment = Treatment {
    at_end: Conditions::NO_BODIES,
    when_active: Conditions::NO_BODIES,
    idle_time_with_bodies: Treatment::WHEN_IDLE.idle_time,
    ..Treatment::TOLERANT
};

/// Hyper takes a request that is answered before it has looked for one that the GOAWAY refused; reqwest sends
/// it again, and it is executed twice.
const HYPER: Treatment = Treatment {
    at_end: Conditions::SLOW.and(Conditions::SEQUENTIAL),
    ..Treatment::WHEN_IDLE
};

/// A call that is about to use a connection that is going away takes another one, but only once.
const OKHTTP: Treatment = Treatment {
    at_end: Conditions::SETTLED,
    when_active: Conditions::SETTLED,
    ..Treatment::WHEN_IDLE
};

/// The clients that are recognised. Where several fit, all of them count.
pub static CLIENTS: &[Client] = &[
    Client {
        // Its codec writes these five in this order; all values are configuration.
        name: "envoy",
        versions: "1.40",
        shapes: &[Shape::of(&[any(2), any(1), any(8), any(3), any(4)])],
        treatment: Treatment::TOLERANT,
        is_fallback: false,
    },
    Client {
        // httpcore has these values in its source, and no option changes them.
        name: "httpx",
        versions: "0.24-0.28",
        shapes: &[Shape::of(&[
            is(1, 4096),
            is(2, 0),
            is(4, 65_535),
            is(5, 16_384),
            is(3, 100),
            is(6, 65_536),
        ])
        .window_update(WindowUpdate::By(16_777_216))],
        treatment: PYTHON_H2,
        is_fallback: false,
    },
    Client {
        // python h2 writes a dictionary: the protocol's settings first, then its own two. grpclib, too, is
        // made of it: it cancels the call whose response came in the same read as the GOAWAY (150 of 150).
        // Whether it closes is the application's choice.
        name: "python-h2",
        versions: "4",
        shapes: &[Shape::of(&[
            any(1),
            any(2),
            any(4),
            any(5),
            any(8),
            any(3),
            any(6),
        ])],
        treatment: Treatment {
            last_stream_id: LastStreamIds::Exact,
            ..Treatment::WHEN_IDLE
        },
        is_fallback: false,
    },
    Client {
        // 7.20 and later widen the connection's window; its users configure by how much.
        name: "undici",
        versions: "7.20-8",
        shapes: &[Shape::of(&[is(2, 0), any(4)]).window_update(WindowUpdate::Always)],
        treatment: UNDICI,
        is_fallback: false,
    },
    Client {
        // Node's core client with `enablePush: false` (http2-wrapper, got) begins in the same way.
        name: "undici",
        versions: "7.0-7.18",
        shapes: &[Shape::of(&[is(2, 0)]).window_update(WindowUpdate::Never)],
        treatment: Treatment {
            at_end: Conditions::ALONE,
            ..UNDICI
        },
        is_fallback: false,
    },
    Client {
        // Node's core client sends the settings that its user names, in this order, and nothing else; a
        // WINDOW_UPDATE only with `setLocalWindowSize`. undici 6 is the same.
        name: "node",
        versions: "20-24",
        shapes: &[Shape::of(NODE_SETTINGS)
            .window_update(WindowUpdate::Never)
            .first_stream(1)
            .grpc(false)],
        treatment: NODE,
        is_fallback: false,
    },
    Client {
        // It names the initial window and nothing else; its transport is Node's core client.
        name: "grpc-js",
        versions: "1",
        shapes: &[Shape::of(&[any(4)]).first_stream(1).grpc(true)],
        treatment: Treatment::TOLERANT,
        is_fallback: false,
    },
    Client {
        // It sends what differs from the protocol's defaults: its window (WithInitialWindowSize), the
        // longest list of fields (WithMaxHeaderListSize); a WINDOW_UPDATE with WithInitialConnWindowSize.
        // An empty list can be Node's core client below a gRPC library as well, and both positions are
        // fine for grpc-go, so it is Node's.
        name: "grpc-go",
        versions: "1.85",
        shapes: &[Shape::of(&[maybe(4), maybe(6)]).first_stream(1).grpc(true)],
        treatment: Treatment {
            position: Positions::Any,
            ..Treatment::TOLERANT
        },
        is_fallback: false,
    },
    Client {
        // net/http and x/net. The increment is in the source; only HTTP2Config changes it, and then it begins
        // as hyper does.
        name: "go",
        versions: "1.26",
        shapes: &[Shape::of(GO_SETTINGS)
            .window_update(WindowUpdate::NotBy(HYPER_WINDOW_UPDATE))
            .first_stream(1)],
        treatment: GO,
        is_fallback: false,
    },
    Client {
        // gRPC core: what differs from the protocol's defaults, by identifier; then its own setting, by
        // which it is known.
        name: "grpcio",
        versions: "1",
        shapes: &[Shape::of(&[
            maybe(1),
            maybe(2),
            maybe(3),
            maybe(4),
            maybe(5),
            maybe(6),
            any(65_027),
            maybe(65_028),
            maybe(65_029),
        ])],
        treatment: Treatment::TOLERANT,
        is_fallback: false,
    },
    Client {
        // Over Netty; the first two are in the source, the values of the others configuration. Over OkHttp
        // it keeps stream 1, and names its window and the longest list of fields.
        name: "grpc-java",
        versions: "1",
        shapes: &[
            Shape::of(&[is(2, 0), is(3, 0), any(4), any(6)]),
            Shape::of(&[any(4), maybe(6)]).first_stream(3).grpc(true),
        ],
        treatment: Treatment::TOLERANT,
        is_fallback: false,
    },
    Client {
        name: "curl",
        versions: "8.23",
        shapes: &[Shape::of(&[any(3), any(4), is(2, 0)]).window_update(WindowUpdate::Always)],
        treatment: Treatment::TOLERANT,
        is_fallback: false,
    },
    Client {
        // The h2 crate writes by identifier. hyper 1 always has the longest list of fields.
        name: "reqwest_hyper",
        versions: "0.13, 1.12",
        shapes: &[Shape::of(&[maybe(1), is(2, 0), any(4), maybe(5), any(6)])
            .window_update(WindowUpdate::NotBy(GO_WINDOW_UPDATE))
            .grpc(false)
            .first_stream(1)],
        treatment: HYPER,
        is_fallback: false,
    },
    Client {
        // hyper 0.14 (reqwest 0.11): it knows no longest list of fields.
        name: "reqwest_hyper",
        versions: "0.11, 0.14",
        shapes: &[Shape::of(&[is(2, 0), any(4), any(5)])
            .window_update(WindowUpdate::NotBy(GO_WINDOW_UPDATE))
            .grpc(false)
            .first_stream(1)],
        treatment: Treatment::WHEN_IDLE,
        is_fallback: false,
    },
    Client {
        // hyper with gRPC. It hands its next call to a connection that is going away, and does not send
        // it again.
        name: "tonic",
        versions: "0.11, 0.14",
        shapes: &[Shape::of(&[maybe(1), is(2, 0), any(4), maybe(5), maybe(6)])
            .window_update(WindowUpdate::NotBy(GO_WINDOW_UPDATE))
            .grpc(true)
            .first_stream(1)],
        treatment: Treatment::WHEN_IDLE,
        is_fallback: false,
    },
    Client {
        // Java's HttpClient (five settings before October 2024) and Apache's async HttpClient 5 both write
        // all of them by identifier, with values that properties change. JDK 17.0.15 loses the request
        // behind a response; HttpClient 5.5 fails open exchanges on any GOAWAY.
        name: "jdk_httpclient5",
        versions: "11-25, 5.5",
        shapes: &[Shape::of(&[
            any(1),
            any(2),
            any(3),
            any(4),
            any(5),
            maybe(6),
            // HttpClient 5.6: it takes no priorities (RFC 9218, section 2.1).
            maybe(9),
        ])],
        treatment: Treatment::WHEN_IDLE,
        is_fallback: false,
    },
    Client {
        name: "okhttp",
        versions: "5.5",
        shapes: &[Shape::of(&[is(4, 16_777_216)])
            .window_update(WindowUpdate::By(16_711_681))
            .first_stream(3)
            .grpc(false)],
        treatment: OKHTTP,
        is_fallback: false,
    },
    Client {
        name: "jetty",
        versions: "12.1",
        shapes: &[Shape::of(&[is(3, 32), is(4, 8_388_608)]).window_update(WindowUpdate::Always)],
        treatment: Treatment {
            when_active: Conditions::NEVER,
            ..Treatment::TOLERANT
        },
        is_fallback: false,
    },
    Client {
        name: "reactor-netty",
        versions: "1.3",
        shapes: &[Shape::of(&[is(3, 100), is(6, 8192)])
            .window_update(WindowUpdate::Never)
            .first_stream(3)],
        treatment: Treatment::TOLERANT,
        is_fallback: false,
    },
    Client {
        // Vert.x is on Netty, but begins with stream 1. It writes what differs from the protocol's defaults,
        // and its own longest list of fields does; Node's core client can begin in the same way. It aborts
        // open streams on any GOAWAY, even those that it has received to the end and not delivered.
        name: "vertx",
        versions: "5.0",
        shapes: &[
            Shape::of(&[maybe(1), maybe(2), maybe(3), maybe(4), maybe(5), any(6)])
                .window_update(WindowUpdate::Never)
                .first_stream(1)
                .grpc(false),
            Shape::of(&[maybe(4), any(6)])
                .window_update(WindowUpdate::Always)
                .first_stream(1)
                .grpc(false),
        ],
        treatment: Treatment::WHEN_IDLE,
        is_fallback: false,
    },
    Client {
        // Netty writes by identifier what its user sets, and keeps stream 1.
        name: "netty",
        versions: "4",
        shapes: &[Shape::of(&[
            maybe(1),
            maybe(2),
            maybe(3),
            maybe(4),
            maybe(5),
            maybe(6),
            maybe(8),
        ])
        .first_stream(3)],
        treatment: Treatment::WHEN_IDLE,
        is_fallback: true,
    },
    Client {
        // `grpc_pass` sends these values whatever its configuration, and one request at a time on a
        // connection.
        name: "nginx",
        versions: "1.22",
        shapes: &[
            Shape::of(&[is(1, 0), is(2, 0), is(4, 2_147_483_647)]).window_update(WindowUpdate::Any)
        ],
        treatment: Treatment {
            when_active: Conditions::NEVER,
            ..Treatment::TOLERANT
        },
        is_fallback: false,
    },
    Client {
        // protocol-http2 names the longest frame before the window. It returns responses without a
        // status when a GOAWAY comes while it is active.
        name: "async-http",
        versions: "0.9",
        shapes: &[Shape::of(&[maybe(2), any(5), any(4), maybe(9)])],
        treatment: Treatment::WHEN_IDLE,
        is_fallback: false,
    },
];

/// The order in which Node's core client writes settings.
const NODE_SETTINGS: &[super::Setting] = &[
    maybe(1),
    maybe(2),
    maybe(4),
    maybe(5),
    maybe(3),
    maybe(6),
    maybe(8),
];

/// By how much Go widens the connection's window.
const GO_WINDOW_UPDATE: u32 = 1 << 30;

/// By how much hyper widens it by default.
const HYPER_WINDOW_UPDATE: u32 = 5_177_345;

/// The order in which Go writes them.
const GO_SETTINGS: &[super::Setting] = &[is(2, 0), any(4), maybe(5), any(6), maybe(1)];
