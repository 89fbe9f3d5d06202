//! The clients that are recognised.
//!
//! Shapes were read from the libraries' sources and recorded from their releases; treatments were measured,
//! each client against a scripted server and in a real Envoy.

use super::fingerprint::{any, is, maybe};
use super::{
    Conditions, Fingerprint, KnownClient, LastStreamIdTolerance, PositionTolerance, Tolerance,
    WindowUpdatePattern,
};

/// It loses every stream that is open, and takes refusals better than promises: what a GOAWAY with the
/// highest id leaves open, python h2 does not deliver.
const PYTHON_H2: Tolerance = Tolerance {
    last_stream_id: LastStreamIdTolerance::Exact,
    at_end: Conditions::ALONE,
    ..Tolerance::WHEN_IDLE
};

/// It reuses the session inside its own end handler: the GOAWAY has to be there before the frame that ends
/// the stream. With several streams it loses those that it has not sent yet.
const NODE: Tolerance = Tolerance {
    position: PositionTolerance::Before,
    at_end: Conditions::ALONE,
    ..Tolerance::WHEN_IDLE
};

/// It loses the request behind the response, whichever GOAWAY it is.
const UNDICI: Tolerance = Tolerance {
    last_stream_id: LastStreamIdTolerance::Exact,
    ..Tolerance::WHEN_IDLE
};

/// Every request with a body may be one that cannot be replayed, and Go closes the body of a request that
/// meets a connection that is going away before it opens its stream.
const GO: Tolerance = Tolerance {
    at_end: Conditions::NO_BODIES,
    when_active: Conditions::NO_BODIES,
    idle_time_with_bodies: Tolerance::WHEN_IDLE.idle_time,
    ..Tolerance::ANY_TIME
};

/// Hyper takes a request that is answered before it has looked for one that the GOAWAY refused; reqwest sends
/// it again, and it is executed twice.
const HYPER: Tolerance = Tolerance {
    at_end: Conditions::SLOW.and(Conditions::SEQUENTIAL),
    ..Tolerance::WHEN_IDLE
};

/// A call that is about to use a connection that is going away takes another one, but only once.
const OKHTTP: Tolerance = Tolerance {
    at_end: Conditions::SETTLED,
    when_active: Conditions::SETTLED,
    ..Tolerance::WHEN_IDLE
};

/// The clients that are recognised. Where several fit, all of them count.
pub static KNOWN_CLIENTS: &[KnownClient] = &[
    KnownClient {
        // Its codec writes these five in this order; all values are configuration.
        name: "envoy",
        versions: "1.40",
        fingerprints: &[Fingerprint::of(&[any(2), any(1), any(8), any(3), any(4)])],
        tolerance: Tolerance::ANY_TIME,
        is_fallback: false,
    },
    KnownClient {
        // httpcore has these values in its source, and no option changes them.
        name: "httpx",
        versions: "0.24-0.28",
        fingerprints: &[Fingerprint::of(&[
            is(1, 4096),
            is(2, 0),
            is(4, 65_535),
            is(5, 16_384),
            is(3, 100),
            is(6, 65_536),
        ])
        .window_update(WindowUpdatePattern::By(16_777_216))],
        tolerance: PYTHON_H2,
        is_fallback: false,
    },
    KnownClient {
        // python h2 writes a dictionary: the protocol's settings first, then its own two. grpclib, too, is
        // made of it: it cancels the call whose response came in the same read as the GOAWAY (150 of 150).
        // Whether it closes is the application's choice.
        name: "python-h2",
        versions: "4",
        fingerprints: &[Fingerprint::of(&[
            any(1),
            any(2),
            any(4),
            any(5),
            any(8),
            any(3),
            any(6),
        ])],
        tolerance: Tolerance {
            last_stream_id: LastStreamIdTolerance::Exact,
            ..Tolerance::WHEN_IDLE
        },
        is_fallback: false,
    },
    KnownClient {
        // 7.20 and later widen the connection's window; its users configure by how much.
        name: "undici",
        versions: "7.20-8",
        fingerprints: &[
            Fingerprint::of(&[is(2, 0), any(4)]).window_update(WindowUpdatePattern::Always)
        ],
        tolerance: UNDICI,
        is_fallback: false,
    },
    KnownClient {
        // Node's core client with `enablePush: false` (http2-wrapper, got) begins in the same way.
        name: "undici",
        versions: "7.0-7.18",
        fingerprints: &[Fingerprint::of(&[is(2, 0)]).window_update(WindowUpdatePattern::Never)],
        tolerance: Tolerance {
            at_end: Conditions::ALONE,
            ..UNDICI
        },
        is_fallback: false,
    },
    KnownClient {
        // Node's core client sends the settings that its user names, in this order, and nothing else; a
        // WINDOW_UPDATE only with `setLocalWindowSize`. undici 6 is the same.
        name: "node",
        versions: "20-24",
        fingerprints: &[Fingerprint::of(NODE_SETTINGS)
            .window_update(WindowUpdatePattern::Never)
            .first_stream(1)
            .grpc(false)],
        tolerance: NODE,
        is_fallback: false,
    },
    KnownClient {
        // It names the initial window and nothing else; its transport is Node's core client.
        name: "grpc-js",
        versions: "1",
        fingerprints: &[Fingerprint::of(&[any(4)]).first_stream(1).grpc(true)],
        tolerance: Tolerance::ANY_TIME,
        is_fallback: false,
    },
    KnownClient {
        // It sends what differs from the protocol's defaults: its window (WithInitialWindowSize), the
        // longest list of fields (WithMaxHeaderListSize); a WINDOW_UPDATE with WithInitialConnWindowSize.
        // An empty list can be Node's core client below a gRPC library as well, and both positions are
        // fine for grpc-go, so it is Node's.
        name: "grpc-go",
        versions: "1.85",
        fingerprints: &[Fingerprint::of(&[maybe(4), maybe(6)])
            .first_stream(1)
            .grpc(true)],
        tolerance: Tolerance {
            position: PositionTolerance::Any,
            ..Tolerance::ANY_TIME
        },
        is_fallback: false,
    },
    KnownClient {
        // net/http and x/net. The increment is in the source; only HTTP2Config changes it, and then it begins
        // as hyper does.
        name: "go",
        versions: "1.26",
        fingerprints: &[Fingerprint::of(GO_SETTINGS)
            .window_update(WindowUpdatePattern::NotBy(HYPER_WINDOW_UPDATE))
            .first_stream(1)],
        tolerance: GO,
        is_fallback: false,
    },
    KnownClient {
        // gRPC core: what differs from the protocol's defaults, by identifier; then its own setting, by
        // which it is known.
        name: "grpcio",
        versions: "1",
        fingerprints: &[Fingerprint::of(&[
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
        tolerance: Tolerance::ANY_TIME,
        is_fallback: false,
    },
    KnownClient {
        // Over Netty; the first two are in the source, the values of the others configuration. Over OkHttp
        // it keeps stream 1, and names its window and the longest list of fields.
        name: "grpc-java",
        versions: "1",
        fingerprints: &[
            Fingerprint::of(&[is(2, 0), is(3, 0), any(4), any(6)]),
            Fingerprint::of(&[any(4), maybe(6)])
                .first_stream(3)
                .grpc(true),
        ],
        tolerance: Tolerance::ANY_TIME,
        is_fallback: false,
    },
    KnownClient {
        name: "curl",
        versions: "8.23",
        fingerprints: &[
            Fingerprint::of(&[any(3), any(4), is(2, 0)]).window_update(WindowUpdatePattern::Always)
        ],
        tolerance: Tolerance::ANY_TIME,
        is_fallback: false,
    },
    KnownClient {
        // The h2 crate writes by identifier. hyper 1 always has the longest list of fields.
        name: "reqwest_hyper",
        versions: "0.13, 1.12",
        fingerprints: &[
            Fingerprint::of(&[maybe(1), is(2, 0), any(4), maybe(5), any(6)])
                .window_update(WindowUpdatePattern::NotBy(GO_WINDOW_UPDATE))
                .grpc(false)
                .first_stream(1),
        ],
        tolerance: HYPER,
        is_fallback: false,
    },
    KnownClient {
        // hyper 0.14 (reqwest 0.11): it knows no longest list of fields.
        name: "reqwest_hyper",
        versions: "0.11, 0.14",
        fingerprints: &[Fingerprint::of(&[is(2, 0), any(4), any(5)])
            .window_update(WindowUpdatePattern::NotBy(GO_WINDOW_UPDATE))
            .grpc(false)
            .first_stream(1)],
        tolerance: Tolerance::WHEN_IDLE,
        is_fallback: false,
    },
    KnownClient {
        // hyper with gRPC. It hands its next call to a connection that is going away, and does not send
        // it again.
        name: "tonic",
        versions: "0.11, 0.14",
        fingerprints: &[
            Fingerprint::of(&[maybe(1), is(2, 0), any(4), maybe(5), maybe(6)])
                .window_update(WindowUpdatePattern::NotBy(GO_WINDOW_UPDATE))
                .grpc(true)
                .first_stream(1),
        ],
        tolerance: Tolerance::WHEN_IDLE,
        is_fallback: false,
    },
    KnownClient {
        // Java's HttpClient (five settings before October 2024) and Apache's async HttpClient 5 both write
        // all of them by identifier, with values that properties change. JDK 17.0.15 loses the request
        // behind a response; HttpClient 5.5 fails open exchanges on any GOAWAY.
        name: "jdk_httpclient5",
        versions: "11-25, 5.5",
        fingerprints: &[Fingerprint::of(&[
            any(1),
            any(2),
            any(3),
            any(4),
            any(5),
            maybe(6),
            // HttpClient 5.6: it takes no priorities (RFC 9218, section 2.1).
            maybe(9),
        ])],
        tolerance: Tolerance::WHEN_IDLE,
        is_fallback: false,
    },
    KnownClient {
        name: "okhttp",
        versions: "5.5",
        fingerprints: &[Fingerprint::of(&[is(4, 16_777_216)])
            .window_update(WindowUpdatePattern::By(16_711_681))
            .first_stream(3)
            .grpc(false)],
        tolerance: OKHTTP,
        is_fallback: false,
    },
    KnownClient {
        name: "jetty",
        versions: "12.1",
        fingerprints: &[Fingerprint::of(&[is(3, 32), is(4, 8_388_608)])
            .window_update(WindowUpdatePattern::Always)],
        tolerance: Tolerance {
            when_active: Conditions::NEVER,
            ..Tolerance::ANY_TIME
        },
        is_fallback: false,
    },
    KnownClient {
        name: "reactor-netty",
        versions: "1.3",
        fingerprints: &[Fingerprint::of(&[is(3, 100), is(6, 8192)])
            .window_update(WindowUpdatePattern::Never)
            .first_stream(3)],
        tolerance: Tolerance::ANY_TIME,
        is_fallback: false,
    },
    KnownClient {
        // Vert.x is on Netty, but begins with stream 1. It writes what differs from the protocol's defaults,
        // and its own longest list of fields does; Node's core client can begin in the same way. It aborts
        // open streams on any GOAWAY, even those that it has received to the end and not delivered.
        name: "vertx",
        versions: "5.0",
        fingerprints: &[
            Fingerprint::of(&[maybe(1), maybe(2), maybe(3), maybe(4), maybe(5), any(6)])
                .window_update(WindowUpdatePattern::Never)
                .first_stream(1)
                .grpc(false),
            Fingerprint::of(&[maybe(4), any(6)])
                .window_update(WindowUpdatePattern::Always)
                .first_stream(1)
                .grpc(false),
        ],
        tolerance: Tolerance::WHEN_IDLE,
        is_fallback: false,
    },
    KnownClient {
        // Netty writes by identifier what its user sets, and keeps stream 1.
        name: "netty",
        versions: "4",
        fingerprints: &[Fingerprint::of(&[
            maybe(1),
            maybe(2),
            maybe(3),
            maybe(4),
            maybe(5),
            maybe(6),
            maybe(8),
        ])
        .first_stream(3)],
        tolerance: Tolerance::WHEN_IDLE,
        is_fallback: true,
    },
    KnownClient {
        // `grpc_pass` sends these values whatever its configuration, and one request at a time on a
        // connection.
        name: "nginx",
        versions: "1.22",
        fingerprints: &[Fingerprint::of(&[is(1, 0), is(2, 0), is(4, 2_147_483_647)])
            .window_update(WindowUpdatePattern::Any)],
        tolerance: Tolerance {
            when_active: Conditions::NEVER,
            ..Tolerance::ANY_TIME
        },
        is_fallback: false,
    },
    KnownClient {
        // protocol-http2 names the longest frame before the window. It returns responses without a
        // status when a GOAWAY comes while it is active.
        name: "async-http",
        versions: "0.9",
        fingerprints: &[Fingerprint::of(&[maybe(2), any(5), any(4), maybe(9)])],
        tolerance: Tolerance::WHEN_IDLE,
        is_fallback: false,
    },
];

/// The order in which Node's core client writes settings.
const NODE_SETTINGS: &[super::SettingPattern] = &[
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
const GO_SETTINGS: &[super::SettingPattern] = &[is(2, 0), any(4), maybe(5), any(6), maybe(1)];
