//! Clients are recognised by the fingerprint of their first frames.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)]

mod h2_support;

use core::time::Duration;

use evenkeel_wire::h2::{
    AMBIGUOUS, ClientProfile, Conditions, Fingerprint, IDLE_TIME, KNOWN_CLIENTS,
    LastStreamIdTolerance, PREFACE, PositionTolerance, Tolerance, UNKNOWN, WindowUpdatePattern,
};
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What a client sends first.
#[derive(Clone, Debug)]
struct Hello {
    settings: Vec<(u16, u32)>,
    window_update: Option<u32>,
    first_stream: u32,
    is_grpc: bool,
}

fn hello(settings: &[(u16, u32)], window_update: Option<u32>) -> Hello {
    Hello {
        settings: settings.to_vec(),
        window_update,
        first_stream: 1,
        is_grpc: false,
    }
}

impl Hello {
    fn first_stream(self, first_stream: u32) -> Self {
        Self {
            first_stream,
            ..self
        }
    }

    fn grpc(self) -> Self {
        Self {
            is_grpc: true,
            ..self
        }
    }

    fn greeting(&self) -> Vec<u8> {
        let update = self.window_update.map(|bytes| window_update(0, bytes));
        let settings = settings(&self.settings);
        [PREFACE.as_slice(), &settings, &update.unwrap_or_default()].concat()
    }

    fn request(&self) -> Vec<u8> {
        if self.is_grpc {
            // POST, http, and a content type as it is.
            let block = [&[0x83, 0x86, 0x5f, 16][..], b"application/grpc"].concat();
            frame(HEADERS, END_HEADERS, self.first_stream, &block)
        } else {
            get(self.first_stream)
        }
    }

    /// Who is recognised, at the first request and not before.
    fn client(&self) -> ClientProfile {
        let mut connection = evenkeel_wire::h2::Http2Scanner::default();
        connection
            .scan_downstream(&mut self.greeting().as_slice())
            .unwrap();
        assert_eq!(connection.client(), UNKNOWN);
        assert!(!connection.is_client_identified());
        connection
            .scan_downstream(&mut self.request().as_slice())
            .unwrap();
        assert!(connection.is_client_identified());
        connection.client()
    }
}

/// What a client of this fingerprint sends with all of its optional settings, or without.
fn example(fingerprint: &Fingerprint, with_optional: bool) -> Hello {
    let sent = fingerprint
        .settings
        .iter()
        .filter(|setting| with_optional || !setting.is_optional)
        .map(|setting| (setting.id, setting.value.unwrap_or(77)));
    Hello {
        settings: sent.collect(),
        window_update: match fingerprint.window_update {
            WindowUpdatePattern::By(bytes) => Some(bytes),
            WindowUpdatePattern::Always | WindowUpdatePattern::NotBy(_) => Some(7),
            WindowUpdatePattern::Never | WindowUpdatePattern::Any => None,
        },
        first_stream: fingerprint.first_stream.unwrap_or(1),
        is_grpc: fingerprint.grpc.unwrap_or_default(),
    }
}

/// `careful` allows nothing that `other` does not.
fn is_as_careful(careful: Tolerance, other: Tolerance) -> bool {
    let never = careful.at_end.include(Conditions::NEVER);
    let words = careful.last_stream_id == other.last_stream_id || never;
    let place =
        careful.position == other.position || other.position == PositionTolerance::Any || never;
    let is_longer = |own: Option<Duration>, other: Option<Duration>| match (own, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(other)) => own >= other,
    };
    let idle = is_longer(careful.idle_time, other.idle_time)
        && is_longer(careful.idle_time_with_bodies, other.idle_time_with_bodies);
    words
        && place
        && idle
        && careful.at_end.include(other.at_end)
        && careful.when_active.include(other.when_active)
}

#[test]
fn whoever_fits_a_shape_is_treated_at_least_as_carefully_as_its_client() {
    for client in KNOWN_CLIENTS {
        for fingerprint in client.fingerprints {
            for with_optional in [false, true] {
                let hello = example(fingerprint, with_optional);
                let profile = hello.client();
                let is_other = client.is_fallback && profile.name != client.name;
                assert!(
                    is_other || is_as_careful(profile.tolerance, client.tolerance),
                    "{} taken for {}",
                    client.name,
                    profile.name
                );
            }
        }
    }
}

#[test]
fn a_merge_of_any_two_is_at_least_as_careful_as_each() {
    let treatments: Vec<_> = KNOWN_CLIENTS
        .iter()
        .map(|client| client.tolerance)
        .chain([UNKNOWN.tolerance, Tolerance::ANY_TIME, Tolerance::WHEN_IDLE])
        .chain([Tolerance {
            idle_time: None,
            ..UNKNOWN.tolerance
        }])
        .collect();
    for a in &treatments {
        assert_eq!(a.merge(*a), *a);
        for b in &treatments {
            let merged = a.merge(*b);
            assert_eq!(merged, b.merge(*a));
            assert!(is_as_careful(merged, *a), "{merged:?} {a:?}");
            assert!(is_as_careful(merged, *b), "{merged:?} {b:?}");
            for c in &treatments {
                assert_eq!(merged.merge(*c), a.merge(b.merge(*c)));
                assert!(is_as_careful(merged.merge(*c), *a));
            }
        }
    }
}

#[test]
fn clients_that_need_different_goaways_are_drained_when_idle_with_the_highest_id() {
    let node = Tolerance {
        position: PositionTolerance::Before,
        ..Tolerance::ANY_TIME
    };
    let python = Tolerance {
        last_stream_id: LastStreamIdTolerance::Exact,
        ..Tolerance::ANY_TIME
    };
    for merged in [
        Tolerance::ANY_TIME.merge(node),
        Tolerance::ANY_TIME.merge(python),
    ] {
        assert!(merged.at_end.include(Conditions::NEVER));
        assert_eq!(merged.idle_time, Some(IDLE_TIME));
        assert_ne!(merged.last_stream_id, LastStreamIdTolerance::Exact);
    }
}

/// First frames as they were recorded, from releases and tuned clients.
#[test]
fn recorded_greetings_are_recognised() {
    let python = [
        (1, 4096),
        (2, 0),
        (4, 65_535),
        (5, 16_384),
        (3, 100),
        (6, 65_536),
    ];
    let jdk = [
        (1, 16_384),
        (2, 0),
        (3, 0),
        (4, 16_777_216),
        (5, 16_384),
        (6, 393_216),
    ];
    let go = [(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)];
    let hyper = [(2, 0), (4, 2_097_152), (5, 16_384), (6, 16_384)];
    let grpcio = [
        (2, 0),
        (3, 0),
        (4, 4_194_304),
        (5, 4_194_304),
        (6, 16_384),
        (65_027, 1),
    ];
    for (name, hello) in [
        (
            "envoy",
            hello(
                &[(2, 0), (1, 4096), (8, 0), (3, 1024), (4, 268_435_456)],
                Some(7),
            ),
        ),
        ("httpx", hello(&python, Some(16_777_216))),
        (
            "python-h2",
            hello(
                &[
                    (1, 4096),
                    (2, 1),
                    (4, 65_535),
                    (5, 16_384),
                    (8, 0),
                    (3, 100),
                    (6, 65_536),
                ],
                None,
            ),
        ),
        ("undici", hello(&[(2, 0), (4, 262_144)], Some(458_753))),
        ("node", hello(&[], None)),
        ("grpc-go", hello(&[], None).grpc()),
        ("grpc-go", hello(&[], Some(1_048_576)).grpc()),
        ("grpc-go", hello(&[(6, 16_384)], None).grpc()),
        ("go", hello(&go, Some(1_073_741_824))),
        ("grpcio", hello(&grpcio, None).grpc()),
        ("grpcio", hello(&grpcio[2..], Some(1)).grpc()),
        (
            "grpc-java",
            hello(&[(2, 0), (3, 0), (4, 1_048_576), (6, 8192)], Some(983_041))
                .grpc()
                .first_stream(3),
        ),
        (
            "grpc-java",
            hello(&[(2, 0), (3, 0), (4, 65_535), (6, 4096)], None)
                .grpc()
                .first_stream(3),
        ),
        (
            "curl",
            hello(&[(3, 100), (4, 65_536), (2, 0)], Some(1_048_510_465)),
        ),
        ("reqwest_hyper", hello(&hyper, Some(5_177_345))),
        ("tonic", hello(&hyper, Some(5_177_345)).grpc()),
        (
            AMBIGUOUS,
            hello(
                &[(2, 0), (4, 1_048_576), (5, 16_384), (6, 65_536)],
                Some(983_041),
            ),
        ),
        (
            "tonic",
            hello(&[(2, 0), (4, 1_048_576), (5, 16_384)], Some(983_041)).grpc(),
        ),
        (
            "reqwest_hyper",
            hello(&[(2, 0), (4, 2_097_152), (5, 16_384)], Some(5_177_345)),
        ),
        ("jdk_httpclient5", hello(&jdk, Some(33_488_897))),
        ("jdk_httpclient5", hello(&jdk[..5], Some(33_488_897))),
        (
            "okhttp",
            hello(&[(4, 16_777_216)], Some(16_711_681)).first_stream(3),
        ),
        ("jetty", hello(&[(3, 32), (4, 8_388_608)], Some(16_711_681))),
        (
            "reactor-netty",
            hello(&[(3, 100), (6, 8192)], None).first_stream(3),
        ),
        (
            "netty",
            hello(&[(3, 100), (4, 1_048_576), (6, 8192)], None).first_stream(3),
        ),
        // Armeria 1.33.
        (
            "netty",
            hello(&[(2, 0), (4, 1_048_576), (6, 8192)], Some(983_041)).first_stream(3),
        ),
        // Vert.x 5.0, as Node with that setting would begin; and with a window of its own.
        (AMBIGUOUS, hello(&[(6, 8192)], None)),
        ("vertx", hello(&[(6, 8192)], Some(1_048_576))),
        (
            "jdk_httpclient5",
            hello(
                &[
                    (1, 8192),
                    (2, 1),
                    (3, 250),
                    (4, 65_535),
                    (5, 65_536),
                    (6, 16_777_215),
                    (9, 1),
                ],
                Some(2_147_418_112),
            ),
        ),
        (
            "nginx",
            hello(&[(1, 0), (2, 0), (4, 2_147_483_647)], Some(2_147_418_112)),
        ),
        (
            "async-http",
            hello(
                &[(2, 0), (5, 1_048_576), (4, 2_147_483_647)],
                Some(2_147_418_112),
            ),
        ),
    ] {
        assert_eq!(hello.client().name, name, "{hello:?}");
    }
}

/// Faults of an earlier table, which compared values.
#[test]
fn tuned_clients_are_not_taken_for_others() {
    let is_idle_only = |profile: ClientProfile| {
        assert!(profile.tolerance.at_end.include(Conditions::NEVER));
        assert!(profile.tolerance.when_active.include(Conditions::NEVER));
        assert_ne!(
            profile.tolerance.last_stream_id,
            LastStreamIdTolerance::Exact
        );
    };
    // Node with `settings: {enablePush: false}` begins as undici 7.0 does.
    let node = hello(&[(2, 0)], None).client();
    assert_eq!(node.name, AMBIGUOUS);
    is_idle_only(node);
    // Vert.x, which loses what is open, begins as Node does.
    is_idle_only(hello(&[(6, 8192)], None).client());
    // Go with a window of its own begins as hyper does.
    let go = hello(
        &[(2, 0), (4, 1_048_576), (5, 16_384), (6, 65_536)],
        Some(99),
    );
    assert!(go.client().tolerance.when_active.include(Conditions::NEVER));
    // One gRPC library on Node, and one with a window of its own.
    for grpc in [
        hello(&[(4, 65_535)], None).grpc(),
        hello(&[(4, 1_048_576)], Some(7)).grpc(),
        hello(&[(4, 1_048_576), (6, 32_768)], None).grpc(),
    ] {
        let tolerance = grpc.client().tolerance;
        assert_eq!(tolerance.when_active, Conditions::NONE, "{grpc:?}");
        assert_eq!(tolerance.at_end, Conditions::NONE, "{grpc:?}");
    }
    assert_eq!(
        hello(&[(4, 65_535)], None).client().name,
        "node",
        "without gRPC it is Node with a window of its own"
    );
}

#[test]
fn another_order_or_another_setting_is_unknown() {
    for hello in [
        hello(
            &[(4, 4_194_304), (2, 0), (5, 16_384), (6, 10_485_760)],
            Some(1_073_741_824),
        ),
        hello(&[(2, 0)], Some(1)),
        hello(
            &[(2, 0), (1, 4096), (8, 0), (4, 1024), (3, 1024)],
            Some(1024),
        ),
        hello(&[(2, 0), (99, 1)], None),
    ] {
        assert_eq!(hello.client(), UNKNOWN, "{hello:?}");
    }
}

#[test]
fn an_unknown_client_is_never_drained_early_or_while_active() {
    let tolerance = UNKNOWN.tolerance;
    assert_eq!(tolerance.last_stream_id, LastStreamIdTolerance::Max);
    assert!(tolerance.at_end.include(Conditions::PATIENCE_OVER));
    assert!(tolerance.when_active.include(Conditions::NEVER));
    assert!(tolerance.idle_time >= Some(Duration::from_secs(1)));
}

/// A response without a body behind `100 Continue` is two HEADERS, as a response with trailers is.
#[test]
fn an_interim_response_is_no_evidence_of_grpc() {
    let mut connection = evenkeel_wire::h2::Http2Scanner::default();
    let client = [
        hello(&[], None).greeting(),
        headers(END_HEADERS, 1),
        data(END_STREAM, 1, 5),
    ];
    connection
        .scan_downstream(&mut client.concat().as_slice())
        .unwrap();
    let server = [
        server_greeting(),
        headers(END_HEADERS, 1),
        headers(END_HEADERS | END_STREAM, 1),
    ];
    connection
        .scan_upstream(&mut server.concat().as_slice())
        .unwrap();
    assert_eq!(connection.client().name, "node");
}

#[test]
fn a_request_with_a_body_is_remembered() {
    let mut connection = evenkeel_wire::h2::Http2Scanner::default();
    let greeting = hello(&[], None).greeting();
    connection
        .scan_downstream(&mut [greeting, get(1)].concat().as_slice())
        .unwrap();
    assert!(!connection.has_bodies());
    let post = [headers(END_HEADERS, 3), data(END_STREAM, 3, 5)].concat();
    connection.scan_downstream(&mut post.as_slice()).unwrap();
    assert!(connection.has_bodies());
}

#[test]
fn a_long_list_of_settings_is_unknown_and_not_remembered() {
    let known: Vec<_> = (1..=9).map(|id| (id, 77)).collect();
    for more in [1_u16, 2, 1000] {
        let long: Vec<_> = known
            .iter()
            .copied()
            .chain((0..more).map(|_| (6, 65_536)))
            .collect();
        assert_eq!(hello(&long, None).client(), UNKNOWN, "{more} more");
    }
}

#[test]
fn a_client_is_recognised_however_its_first_frames_are_cut() {
    however_cut(|talk| {
        let go = hello(
            &[(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)],
            Some(1_073_741_824),
        );
        talk.client(&[go.greeting(), go.request()].concat());
        assert_eq!(talk.connection.client().name, "go");
    });
    however_cut(|talk| {
        let grpc = hello(&[], None).grpc();
        talk.client(&[grpc.greeting(), grpc.request()].concat());
        assert_eq!(talk.connection.client().name, "grpc-go");
    });
}

#[test]
fn a_header_block_in_several_frames_is_read_as_one() {
    let block = [&[0x83, 0x86, 0x5f, 16][..], b"application/grpc"].concat();
    for cut in 0..block.len() {
        let (head, rest) = block.split_at(cut);
        // One byte of padding and five of priority stand before the first part.
        let first = [&[0, 0, 0, 0, 0, 15][..], head].concat();
        let client = [
            hello(&[], None).greeting(),
            frame(HEADERS, PADDED | WEIGHTED, 1, &first),
            frame(CONTINUATION, END_HEADERS, 1, rest),
        ];
        let mut connection = evenkeel_wire::h2::Http2Scanner::default();
        connection
            .scan_downstream(&mut client.concat().as_slice())
            .unwrap();
        assert_eq!(connection.client().name, "grpc-go", "cut at {cut}");
    }
}

#[test]
fn only_the_first_frames_tell_a_client() {
    let curl = hello(&[(3, 100), (4, 65_536), (2, 0)], Some(7));
    let mut connection = evenkeel_wire::h2::Http2Scanner::default();
    let talk = [
        curl.greeting(),
        frame(SETTINGS, ACK, 0, &[]),
        settings(&[(2, 0)]),
        frame(PING, NONE, 0, &[0; 8]),
        get(1),
        window_update(1, 9),
        window_update(0, 9),
        settings(&[]),
        hello(&[], None).grpc().first_stream(3).request(),
    ];
    connection
        .scan_downstream(&mut talk.concat().as_slice())
        .unwrap();
    assert_eq!(connection.client().name, "curl");
}

#[test]
fn a_name_is_a_label_as_it_stands() {
    let names = KNOWN_CLIENTS.iter().map(|client| client.name);
    for name in names.chain([UNKNOWN.name, AMBIGUOUS]) {
        let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        assert!(name.bytes().all(is_plain), "{name}");
    }
}
