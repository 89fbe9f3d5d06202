//! The table of known clients.
//!
//! Fingerprints come from the libraries' sources and from recordings of their releases. Tolerances were measured for
//! each client against a scripted server and in a real Envoy.

use super::fingerprint::{any, is, maybe};
use super::{
    Conditions, Fingerprint, FirstFields, KnownClient, LastStreamIdTolerance, PositionTolerance,
    Tolerance, WindowUpdatePattern,
};

/// httpx loses every open stream. It needs the exact last-stream-id: python h2 does not deliver the streams that a
/// GOAWAY with the maximum leaves open.
const PYTHON_H2: Tolerance = Tolerance {
    last_stream_id: LastStreamIdTolerance::Exact,
    at_end: Conditions::ALONE,
    ..Tolerance::WHEN_IDLE
};

/// Node reuses the session inside the end handler of a stream, so the GOAWAY must precede the frame that ends the
/// stream. It loses the requests that it has not sent yet: on a loaded machine, those that other tasks make while the
/// response waits to be read. Idle, it reads the GOAWAY at once. Requests that have never overlapped probably come from
/// one task.
const NODE: Tolerance = Tolerance {
    position: PositionTolerance::Before,
    at_end: Conditions::SEQUENTIAL.and(Conditions::WAITED),
    ..Tolerance::WHEN_IDLE
};

/// undici loses the request after the response, with any GOAWAY.
const UNDICI: Tolerance = Tolerance {
    last_stream_id: LastStreamIdTolerance::Exact,
    ..Tolerance::WHEN_IDLE
};

/// A request with a body may not be replayable: Go closes the body of a request before it opens its stream when the
/// connection has received a GOAWAY.
const GO: Tolerance = Tolerance {
    at_end: Conditions::NO_BODIES,
    when_active: Conditions::NO_BODIES,
    idle_time_with_bodies: Tolerance::WHEN_IDLE.idle_time,
    ..Tolerance::ANY_TIME
};

/// hyper reports a request as refused by the GOAWAY when its response comes before hyper polls the connection;
/// reqwest repeats that request, so it is executed twice.
const HYPER: Tolerance = Tolerance {
    at_end: Conditions::SLOW.and(Conditions::SEQUENTIAL),
    ..Tolerance::WHEN_IDLE
};

/// OkHttp moves a call from a connection with a GOAWAY to another one, but only once.
const OKHTTP: Tolerance = Tolerance {
    at_end: Conditions::SETTLED,
    when_active: Conditions::SETTLED,
    ..Tolerance::WHEN_IDLE
};

/// The known clients. Where several match, their tolerances are merged.
pub static KNOWN_CLIENTS: &[KnownClient] = &[
    KnownClient {
        // Each of its codecs writes these five in its own order: nghttp2 (1.37 and later), and oghttp2 by identifier
        // (1.36, and by a runtime flag later). All values are configurable.
        name: "envoy",
        versions: "1.36-1.40",
        fingerprints: &[
            Fingerprint::of(&[any(2), any(1), any(8), any(3), any(4)]),
            // Netty, with the same settings, begins with stream 3.
            Fingerprint::of(&[any(1), any(2), any(3), any(4), any(8)]).first_stream(1),
        ],
        tolerance: Tolerance::ANY_TIME_AND_CLOSES,
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
        // python h2 writes a dictionary: the protocol's settings first, then two of its own. grpclib uses it too, and
        // cancels the call whose response arrives in the same read as the GOAWAY (150 of 150). The application
        // decides whether it closes the connection.
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
        // 7.20 and later increment the connection's window, by a configurable number.
        name: "undici",
        versions: "7.20-8",
        fingerprints: &[
            Fingerprint::of(&[is(2, 0), any(4)]).window_update(WindowUpdatePattern::Always)
        ],
        tolerance: UNDICI,
        is_fallback: false,
    },
    KnownClient {
        // Node's core client with `enablePush: false` (http2-wrapper, got) has the same fingerprint.
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
        // Node's core client sends the settings that its user sets, in this order, and a WINDOW_UPDATE only with
        // `setLocalWindowSize`. undici 6 is the same.
        name: "node",
        versions: "20-24",
        fingerprints: &[
            Fingerprint::of(NODE_SETTINGS)
                .window_update(WindowUpdatePattern::Never)
                .first_stream(1)
                .grpc(false),
            // connect-es: `:method`, then `:path`.
            Fingerprint::of(NODE_SETTINGS)
                .window_update(WindowUpdatePattern::Never)
                .first_stream(1)
                .grpc(true)
                .first_fields(FirstFields::MethodOther),
        ],
        tolerance: NODE,
        is_fallback: false,
    },
    KnownClient {
        // It sends only the initial window; its transport is Node's core client, with `:authority` as the first field.
        name: "grpc-js",
        versions: "1",
        fingerprints: &[Fingerprint::of(&[any(4)])
            .first_stream(1)
            .grpc(true)
            .first_fields(FirstFields::Other)],
        tolerance: Tolerance::ANY_TIME_AND_CLOSES,
        is_fallback: false,
    },
    KnownClient {
        // It sends what differs from the protocol's defaults: its window (WithInitialWindowSize) and its maximum header
        // list size (WithMaxHeaderListSize); a WINDOW_UPDATE with WithInitialConnWindowSize. Without options, only
        // the order of its first fields differs from Node's core client below a gRPC library. It tolerates both
        // positions, so that the merged position is the other client's where an application chooses the same order.
        name: "grpc-go",
        versions: "1.85",
        fingerprints: &[Fingerprint::of(&[maybe(4), maybe(6)])
            .first_stream(1)
            .grpc(true)
            .first_fields(FirstFields::MethodScheme)],
        tolerance: Tolerance {
            position: PositionTolerance::Any,
            ..Tolerance::ANY_TIME_AND_CLOSES
        },
        is_fallback: false,
    },
    KnownClient {
        // net/http and x/net. The increment is in the source; only HTTP2Config changes it, and then the fingerprint is
        // hyper's.
        name: "go",
        versions: "1.26",
        fingerprints: &[Fingerprint::of(GO_SETTINGS)
            .window_update(WindowUpdatePattern::NotBy(HYPER_WINDOW_UPDATE))
            .first_stream(1)],
        tolerance: GO,
        is_fallback: false,
    },
    KnownClient {
        // gRPC core: what differs from the protocol's defaults, by identifier; then its own setting, which identifies it.
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
        tolerance: Tolerance::ANY_TIME_AND_CLOSES,
        is_fallback: false,
    },
    KnownClient {
        // Over Netty, the first two are in the source, the values of the others are configurable. Over OkHttp it
        // reserves stream 1, and sends its window and its maximum header list size.
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
        tolerance: Tolerance::ANY_TIME_AND_CLOSES,
        is_fallback: false,
    },
    KnownClient {
        // The h2 crate writes by identifier. hyper 1 always sends the maximum header list size.
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
        // hyper 0.14 (reqwest 0.11) does not send the maximum header list size.
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
        // hyper with gRPC. It gives its next call to a connection with a GOAWAY, and does not repeat it.
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
        // Java's HttpClient (five settings before October 2024) and Apache's async HttpClient 5 both write all of
        // them by identifier, with configurable values. JDK 17.0.15 loses the request after a response;
        // HttpClient 5.5 fails open exchanges on any GOAWAY.
        name: "jdk_httpclient5",
        versions: "11-25, 5.5",
        fingerprints: &[Fingerprint::of(&[
            any(1),
            any(2),
            any(3),
            any(4),
            any(5),
            maybe(6),
            // HttpClient 5.6 disables priorities (RFC 9218 2.1).
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
        // Vert.x uses Netty, but its first stream is 1. It writes what differs from the protocol's defaults, and its
        // maximum header list size does; Node's core client can have the same fingerprint. It aborts open
        // streams on any GOAWAY, even those that it has received completely and not delivered.
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
        // Netty writes what its user sets, by identifier, and reserves stream 1.
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
        // `grpc_pass` sends these values with any configuration, and one request at a time on a connection.
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
        // protocol-http2 sends the maximum frame size before the window. It returns responses without a status when a
        // GOAWAY arrives while it is active.
        name: "async-http",
        versions: "0.59, 0.9",
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

/// Go's increment of the connection's window.
const GO_WINDOW_UPDATE: u32 = 1 << 30;

/// hyper's default increment of the connection's window.
const HYPER_WINDOW_UPDATE: u32 = 5_177_345;

/// The order in which Go writes settings.
const GO_SETTINGS: &[super::SettingPattern] = &[is(2, 0), any(4), maybe(5), any(6), maybe(1)];
