//! Arbitrary bytes in arbitrary order: no panic, bounded counts, one bypass reason, and the same result with any cuts.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

use evenkeel_wire::BypassReason;
use evenkeel_wire::h1::Http1Scanner;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Parts of conversations, and random bytes.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "\r\n",
        "\r",
        "\n",
        " ",
        ":",
        ",",
        "0\r\n\r\n",
        "5\r\n",
        "hello",
        "a;b=c\r\n",
        "ffffffffffffffff\r\n",
        "GET / HTTP/1.1\r\n",
        "HEAD / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        "CONNECT shop.example:443 HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 204\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 101\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "content-length: 5\r\n",
        "content-length: 18446744073709551615\r\n\r\n",
        "connection: close\r\n",
        "transfer-encoding: chunked\r\n",
        "x: y\r\n",
    ]);
    prop_oneof![4 => known.prop_map(|text| text.as_bytes().to_vec()), 1 => vec(any::<u8>(), 0..40)]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(piece(), 0..8).prop_map(|pieces| pieces.concat())
}

/// Writes `bytes` to the client in pieces of `size` after the request `sent`. Returns the final state.
fn state_after(sent: &str, bytes: &[u8], size: usize) -> Result<(u32, bool), BypassReason> {
    let mut connection = Http1Scanner::default();
    connection.scan_downstream(&mut sent.as_bytes())?;
    for mut piece in bytes.chunks(size) {
        connection.scan_upstream(&mut piece)?;
    }
    Ok((connection.active(), connection.is_tunnel()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn arbitrary_bytes_keep_the_state_bounded(callbacks in vec((any::<bool>(), bytes()), 0..12)) {
        let mut connection = Http1Scanner::default();
        let mut bypassed = None;
        for (from_client, bytes) in callbacks {
            let requests = connection.requests();
            let result = if from_client {
                connection.scan_downstream(&mut &bytes[..]).map(|()| None)
            } else {
                connection.scan_upstream(&mut &bytes[..])
            };
            if bypassed.is_some() {
                prop_assert_eq!(result.as_ref().err(), bypassed.as_ref());
            }
            for head in result.iter().flatten() {
                prop_assert!(head.insert_at.is_none_or(|at| bytes[at..].starts_with(b"\r\n")));
            }
            bypassed = result.err();
            prop_assert!(connection.active() <= 2 && connection.requests() >= requests);
        }
    }

    #[test]
    fn cuts_do_not_change_where_a_response_ends(
        method in select(vec!["GET", "HEAD", "CONNECT"]),
        responses in bytes(),
        size in 1..40_usize,
    ) {
        let sent = format!("{method} / HTTP/1.1\r\n\r\n");
        let whole = responses.len().max(1);
        prop_assert_eq!(state_after(&sent, &responses, whole), state_after(&sent, &responses, size));
    }
}
