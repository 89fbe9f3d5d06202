//! Recognition of clients by their first frames, and their tolerances.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

mod h2_first_frames;
mod h2_support;

use evenkeel_wire::h2::{
    AMBIGUOUS, Conditions, Fingerprint, FirstFields, IdleTime, KNOWN_CLIENTS,
    LastStreamIdTolerance, PositionTolerance, Tolerance, UNKNOWN, WindowUpdatePattern,
};
use h2_first_frames::{FirstFrames, first_frames};
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// First frames that match this fingerprint, with or without its optional settings.
fn example(fingerprint: &Fingerprint, with_optional: bool) -> FirstFrames {
    let sent = fingerprint
        .settings
        .iter()
        .filter(|setting| with_optional || !setting.is_optional)
        .map(|setting| (setting.id, setting.value.unwrap_or(77)));
    FirstFrames {
        settings: sent.collect(),
        window_update: match fingerprint.window_update {
            WindowUpdatePattern::By(bytes) => Some(bytes),
            WindowUpdatePattern::Always | WindowUpdatePattern::NotBy(_) => Some(7),
            WindowUpdatePattern::Never | WindowUpdatePattern::Any => None,
        },
        first_stream: fingerprint.first_stream.unwrap_or(1),
        is_grpc: fingerprint.grpc.unwrap_or_default(),
        first_fields: fingerprint
            .first_fields
            .unwrap_or(FirstFields::MethodScheme),
    }
}

/// Whether `cautious` tolerates nothing that `other` does not.
fn is_as_cautious(cautious: Tolerance, other: Tolerance) -> bool {
    let never = cautious.at_end.include(Conditions::NEVER);
    let last_stream_id = cautious.last_stream_id == other.last_stream_id || never;
    let position =
        cautious.position == other.position || other.position == PositionTolerance::Any || never;
    let idle = cautious.idle_time >= other.idle_time
        && cautious.idle_time_with_bodies >= other.idle_time_with_bodies;
    last_stream_id
        && position
        && idle
        && cautious.at_end.include(other.at_end)
        && cautious.when_active.include(other.when_active)
}

#[test]
fn every_fingerprint_gets_at_least_the_caution_of_its_client() {
    for client in KNOWN_CLIENTS {
        for fingerprint in client.fingerprints {
            for with_optional in [false, true] {
                let frames_sent = example(fingerprint, with_optional);
                let profile = frames_sent.client();
                let is_other = client.is_fallback && profile.name != client.name;
                assert!(
                    is_other || is_as_cautious(profile.tolerance, client.tolerance),
                    "{} identified as {}",
                    client.name,
                    profile.name
                );
            }
        }
    }
}

#[test]
fn merged_tolerance_is_at_least_as_cautious_as_each() {
    let tolerances: Vec<_> = KNOWN_CLIENTS
        .iter()
        .map(|client| client.tolerance)
        .chain([UNKNOWN.tolerance, Tolerance::ANY_TIME, Tolerance::WHEN_IDLE])
        .chain([Tolerance {
            idle_time: IdleTime::Never,
            ..UNKNOWN.tolerance
        }])
        .collect();
    for a in &tolerances {
        assert_eq!(a.merge(*a), *a);
        for b in &tolerances {
            let merged = a.merge(*b);
            assert_eq!(merged, b.merge(*a));
            assert!(is_as_cautious(merged, *a), "{merged:?} {a:?}");
            assert!(is_as_cautious(merged, *b), "{merged:?} {b:?}");
            for c in &tolerances {
                assert_eq!(merged.merge(*c), a.merge(b.merge(*c)));
                assert!(is_as_cautious(merged.merge(*c), *a));
            }
        }
    }
}

#[test]
fn conflicting_tolerances_allow_only_the_maximum_on_an_idle_connection() {
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
        assert_eq!(merged.idle_time, IdleTime::Silent);
        assert_ne!(merged.last_stream_id, LastStreamIdTolerance::Exact);
    }
}

#[test]
fn other_order_or_setting_is_unknown() {
    for frames_sent in [
        first_frames(
            &[(4, 4_194_304), (2, 0), (5, 16_384), (6, 10_485_760)],
            Some(1_073_741_824),
        ),
        first_frames(&[(2, 0)], Some(1)),
        first_frames(
            &[(2, 0), (1, 4096), (8, 0), (4, 1024), (3, 1024)],
            Some(1024),
        ),
        first_frames(&[(2, 0), (99, 1)], None),
    ] {
        assert_eq!(frames_sent.client(), UNKNOWN, "{frames_sent:?}");
    }
}

#[test]
fn unknown_client_is_drained_late_and_not_while_active() {
    let tolerance = UNKNOWN.tolerance;
    assert_eq!(tolerance.last_stream_id, LastStreamIdTolerance::Max);
    assert!(tolerance.at_end.include(Conditions::WAITED));
    assert!(tolerance.when_active.include(Conditions::NEVER));
    assert!(tolerance.idle_time >= IdleTime::Silent);
}

/// Node loses requests that it has not sent when it reads a GOAWAY. While it works, it does not read, and other tasks
/// make requests.
#[test]
fn node_is_drained_late_and_only_if_its_requests_are_sequential() {
    let client = first_frames(&[], None).client();
    assert_eq!(client.name, "node");
    let late = Conditions::SEQUENTIAL.and(Conditions::WAITED);
    assert_eq!(client.tolerance.at_end, late);
}

/// A response without a body after `100 Continue` has two HEADERS frames, like a response with trailers.
#[test]
fn interim_response_is_not_grpc() {
    let mut connection = evenkeel_wire::h2::Http2Scanner::default();
    let client = [
        first_frames(&[], None).preface(),
        headers(END_HEADERS, 1),
        data(END_STREAM, 1, 5),
    ];
    connection
        .scan_downstream(&mut client.concat().as_slice())
        .unwrap();
    let server = [
        server_preface(),
        headers(END_HEADERS, 1),
        headers(END_HEADERS | END_STREAM, 1),
    ];
    connection
        .scan_upstream(&mut server.concat().as_slice())
        .unwrap();
    assert_eq!(connection.client().name, "node");
}

#[test]
fn request_with_a_body_is_remembered() {
    let mut connection = evenkeel_wire::h2::Http2Scanner::default();
    let preface = first_frames(&[], None).preface();
    connection
        .scan_downstream(&mut [preface, get(1)].concat().as_slice())
        .unwrap();
    assert!(!connection.has_bodies());
    let post = [headers(END_HEADERS, 3), data(END_STREAM, 3, 5)].concat();
    connection.scan_downstream(&mut post.as_slice()).unwrap();
    assert!(connection.has_bodies());
}

#[test]
fn long_list_of_settings_is_unknown() {
    let known: Vec<_> = (1..=9).map(|id| (id, 77)).collect();
    for more in [1_u16, 2, 1000] {
        let long: Vec<_> = known
            .iter()
            .copied()
            .chain((0..more).map(|_| (6, 65_536)))
            .collect();
        assert_eq!(first_frames(&long, None).client(), UNKNOWN, "{more} more");
    }
}

#[test]
fn client_is_recognized_with_any_cuts() {
    for_every_cut(|peers| {
        let go = first_frames(
            &[(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)],
            Some(1_073_741_824),
        );
        peers.client(&[go.preface(), go.request()].concat());
        assert_eq!(peers.connection.client().name, "go");
    });
    for_every_cut(|peers| {
        let grpc = first_frames(&[], None).grpc();
        peers.client(&[grpc.preface(), grpc.request()].concat());
        assert_eq!(peers.connection.client().name, "grpc-go");
    });
}

#[test]
fn grpc_is_detected_across_continuation_frames() {
    let block = [&[0x83, 0x86, 0x5f, 16][..], b"application/grpc"].concat();
    for cut in 0..block.len() {
        let (head, rest) = block.split_at(cut);
        // One byte of pad length and five of priority precede the block.
        let first = [&[0, 0, 0, 0, 0, 15][..], head].concat();
        let client = [
            first_frames(&[], None).preface(),
            frame(HEADERS, PADDED | PRIORITY_FLAG, 1, &first),
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
fn only_the_first_frames_identify_a_client() {
    let curl = first_frames(&[(3, 100), (4, 65_536), (2, 0)], Some(7));
    let mut connection = evenkeel_wire::h2::Http2Scanner::default();
    let client = [
        curl.preface(),
        frame(SETTINGS, ACK, 0, &[]),
        settings(&[(2, 0)]),
        frame(PING, NONE, 0, &[0; 8]),
        get(1),
        window_update(1, 9),
        window_update(0, 9),
        settings(&[]),
        first_frames(&[], None).grpc().first_stream(3).request(),
    ];
    connection
        .scan_downstream(&mut client.concat().as_slice())
        .unwrap();
    assert_eq!(connection.client().name, "curl");
}

/// Without options, Node's core client, grpc-go and connect-es all send empty SETTINGS.
#[test]
fn order_of_the_first_fields_distinguishes_grpc_clients() {
    let name = |settings: &[_], fields| {
        let frames = first_frames(settings, None).grpc().first_fields(fields);
        frames.client().name
    };
    let window = [(4, 65_535)];

    assert_eq!(name(&[], FirstFields::MethodScheme), "grpc-go");
    assert_eq!(name(&[], FirstFields::MethodOther), "node");
    assert_eq!(name(&[], FirstFields::Other), "unknown");
    assert_eq!(name(&window, FirstFields::MethodScheme), "grpc-go");
    assert_eq!(name(&window, FirstFields::MethodOther), "node");
    assert_eq!(name(&window, FirstFields::Other), "grpc-js");
}

#[test]
fn client_names_are_valid_label_values() {
    let names = KNOWN_CLIENTS.iter().map(|client| client.name);
    for name in names.chain([UNKNOWN.name, AMBIGUOUS]) {
        let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        assert!(name.bytes().all(is_plain), "{name}");
    }
}
