//! Clients are known by their first frames.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)]

mod h2_support;

use evenkeel_wire::h2::{Busy, CLIENTS, Client, Goaway, PREFACE, Place, UNKNOWN, WindowUpdate};
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The client that begins with these settings and, it may be, widens the connection's window.
fn greeting(sent: &[(u16, u32)], update: Option<u32>) -> Vec<u8> {
    let update = update
        .map(|bytes| window_update(0, bytes))
        .unwrap_or_default();
    [PREFACE.as_slice(), &settings(sent), &update].concat()
}

/// Who is recognised behind `greeting`, at the first request and not before.
fn who(greeting: &[u8]) -> &'static Client {
    let mut connection = evenkeel_wire::h2::Connection::default();
    connection.downstream(&mut &*greeting).unwrap();
    assert_eq!(connection.client(), &UNKNOWN);
    connection.downstream(&mut get(1).as_slice()).unwrap();
    connection.client()
}

#[test]
fn every_client_of_the_table_is_known_by_its_own_greeting() {
    for client in CLIENTS {
        let sent = client
            .settings
            .iter()
            .map(|&(id, value)| (id, value.unwrap_or(77)))
            .collect::<Vec<_>>();
        let update = match client.window_update {
            WindowUpdate::By(bytes) => Some(bytes),
            WindowUpdate::Never | WindowUpdate::Any => None,
        };
        assert_eq!(who(&greeting(&sent, update)), client);
    }
}

/// Greetings as they were recorded, and what was found to lose least.
#[test]
fn recorded_greetings_are_known() {
    use {Busy::*, Goaway::*, Place::*};
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
    for (family, sent, update, choice) in [
        (
            "envoy",
            &[(2, 0), (1, 4096), (8, 0), (3, 1024), (4, 268_435_456)][..],
            Some(7),
            (Max, After, Bears, true),
        ),
        (
            "httpx",
            &python,
            Some(16_777_216),
            (Exact, After, Never, true),
        ),
        (
            "undici",
            &[(2, 0), (4, 262_144)],
            Some(458_753),
            (Exact, After, Never, true),
        ),
        ("undici", &[(2, 0)], None, (Exact, After, Never, true)),
        ("node_grpc-go", &[], None, (Max, Before, Never, true)),
        ("node_grpc-go", &[], Some(1), (Max, Before, Never, true)),
        (
            "go",
            &[(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)],
            Some(1_073_741_824),
            (Max, After, Bears, true),
        ),
        (
            "grpc-java",
            &[(2, 0), (3, 0), (4, 1_048_576), (6, 8192)],
            Some(983_041),
            (Max, After, Bears, false),
        ),
        (
            "curl",
            &[(3, 100), (4, 65_536), (2, 0)],
            Some(1_048_510_465),
            (Max, After, Bears, true),
        ),
        (
            "reqwest_hyper_tonic",
            &[(2, 0), (4, 2_097_152), (5, 16_384), (6, 16_384)],
            Some(5_177_345),
            (Max, After, Never, true),
        ),
        ("jdk", &jdk, Some(33_488_897), (Max, After, Never, false)),
        (
            "okhttp",
            &[(4, 16_777_216)],
            Some(16_711_681),
            (Max, After, Bears, false),
        ),
        (
            "jetty",
            &[(3, 32), (4, 8_388_608)],
            Some(16_711_681),
            (Max, After, Avoid, false),
        ),
        (
            "reactor-netty",
            &[(3, 100), (6, 8192)],
            None,
            (Max, After, Bears, false),
        ),
    ] {
        let client = who(&greeting(sent, update));
        let chosen = (client.goaway, client.place, client.busy, client.closes);
        assert_eq!((client.family, chosen), (family, choice));
    }
}

#[test]
fn a_greeting_that_differs_a_little_is_unknown() {
    for (sent, update) in [
        (
            &[(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_761)][..],
            Some(1_073_741_824),
        ),
        (
            &[(4, 4_194_304), (2, 0), (5, 16_384), (6, 10_485_760)],
            Some(1_073_741_824),
        ),
        (&[(2, 0), (4, 4_194_304), (5, 16_384)], Some(1_073_741_824)),
        (
            &[(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)],
            None,
        ),
        (
            &[(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)],
            Some(1),
        ),
        (&[(2, 0)], Some(1)),
        (&[(2, 0), (1, 4096), (8, 0), (4, 1024), (3, 1024)], None),
    ] {
        assert_eq!(
            who(&greeting(sent, update)),
            &UNKNOWN,
            "{sent:?} {update:?}"
        );
    }
}

/// Node and grpc-go greet alike, and hyper and tonic.
#[test]
fn a_grpc_library_is_told_from_one_that_greets_alike_by_its_first_trailers() {
    let go: &[(u16, u32)] = &[];
    let hyper: &[(u16, u32)] = &[(2, 0), (4, 2_097_152), (5, 16_384), (6, 16_384)];
    for (sent, update, before, after) in [
        (go, None, "node_grpc-go", "grpc-go"),
        (hyper, Some(5_177_345), "reqwest_hyper_tonic", "tonic"),
    ] {
        let mut connection = evenkeel_wire::h2::Connection::default();
        let mut client = greeting(sent, update);
        client.extend([get(1), get(3)].concat());
        connection.downstream(&mut client.as_slice()).unwrap();
        let whole = [server_greeting(), headers(END_HEADERS | END_STREAM, 1)].concat();
        connection.upstream(&mut whole.as_slice()).unwrap();
        assert_eq!(
            connection.client().family,
            before,
            "an answer of a head alone"
        );

        let trailed = [
            headers(END_HEADERS, 3),
            data(0, 3, 5),
            headers(END_HEADERS | END_STREAM, 3),
        ];
        connection
            .upstream(&mut trailed.concat().as_slice())
            .unwrap();

        assert_eq!(connection.client().family, after);
    }
}

#[test]
fn nothing_is_done_early_or_boldly_to_an_unknown_client() {
    let choice = (UNKNOWN.goaway, UNKNOWN.place, UNKNOWN.busy, UNKNOWN.closes);
    assert_eq!(choice, (Goaway::Max, Place::After, Busy::Avoid, false));
    assert!(!CLIENTS.contains(&UNKNOWN));
}

#[test]
fn a_long_list_of_settings_is_unknown_and_not_remembered() {
    let python = CLIENTS
        .iter()
        .find(|client| client.family == "python-h2")
        .unwrap();
    let known = python
        .settings
        .iter()
        .map(|&(id, value)| (id, value.unwrap()))
        .collect::<Vec<_>>();
    assert_eq!(who(&greeting(&known, None)), python);
    for more in [1, 2, 1000] {
        let long = known
            .iter()
            .copied()
            .chain((0..more).map(|_| (6, 65_536)))
            .collect::<Vec<_>>();
        assert_eq!(who(&greeting(&long, None)), &UNKNOWN, "{more} more");
    }
}

#[test]
fn a_client_is_known_however_its_greeting_is_cut() {
    however_cut(|talk| {
        let sent = [(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)];
        let hello = greeting(&sent, Some(1_073_741_824));
        talk.client(&[hello, get(1)].concat());
        assert_eq!(talk.connection.client().family, "go");
    });
}

#[test]
fn only_the_first_words_tell_a_client() {
    let hello = greeting(&[(3, 100), (6, 8192)], None);
    let later = [
        frame(SETTINGS, ACK, 0, &[]),
        settings(&[(2, 0)]),
        frame(PING, NONE, 0, &[0; 8]),
    ];
    assert_eq!(
        who(&[hello.clone(), later.concat()].concat()).family,
        "reactor-netty"
    );
    let mut connection = evenkeel_wire::h2::Connection::default();
    let busy = [
        hello,
        get(1),
        window_update(1, 9),
        window_update(0, 9),
        settings(&[]),
        get(3),
    ]
    .concat();
    connection.downstream(&mut busy.as_slice()).unwrap();
    assert_eq!(connection.client().family, "reactor-netty");
}

#[test]
fn a_family_is_a_label_as_it_stands() {
    for Client { family, .. } in CLIENTS.iter().chain([&UNKNOWN]) {
        let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        assert!(family.bytes().all(is_plain), "{family}");
    }
}
