//! What makes a connection bypassed.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::envoy::{Cut, Envoy, for_every_cut};
use super::messages::{Message, chunks, get, ok, post, request, response, start};
use crate::h1::MAX_HEAD;
use crate::{BypassReason, ConnectionScanner, Detection, Protocol};

/// A message with these bytes as its chunked body.
fn chunked(body: &str) -> Message {
    post()
        .field("transfer-encoding", "chunked")
        .unsized_body(body.as_bytes())
}

#[test]
fn malformed_request_line_is_bypassed() {
    for line in [
        "get",
        " GET / HTTP/1.1",
        " / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "GET /",
        "GET / \nHTTP/1.1",
        "GET /a\tb HTTP/1.1",
        "GET /\u{e4} HTTP/1.1",
        "G(T / HTTP/1.1",
        "PRI * HTTP/2.0",
        "\rGET / HTTP/1.1",
        "\nGET / HTTP/1.1",
        "GET / HTTP/1.1\nhost: shop.example",
        "\u{16}\u{3}\u{1}",
    ] {
        for_every_cut(|envoy| {
            assert_eq!(
                envoy.client(&start(line).bytes()),
                Err(BypassReason::StartLine),
                "{line:?}"
            )
        });
    }
}

#[test]
fn wrong_version_is_bypassed_before_the_line_ends() {
    for begin in ["GET / FTP", "GET / HTTP/1.2", "GET / HTTP/1.1 ", "GET / \r"] {
        for_every_cut(|envoy| {
            let result = envoy.client(begin.as_bytes());
            assert_eq!(result, Err(BypassReason::StartLine), "{begin:?}");
        });
    }
    for begin in ["+OK", "HTTP/2", "HTTP/1.2", "HTTP/1.1\t"] {
        for_every_cut(|envoy| {
            envoy.client(&get().bytes()).unwrap();
            let result = envoy.server(begin.as_bytes());
            assert_eq!(result, Err(BypassReason::StartLine), "{begin:?}");
        });
    }
}

#[test]
fn malformed_status_line_is_bypassed() {
    for line in [
        "GET / HTTP/1.1",
        "HTTP/1.1",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 020 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200\nx: y",
        "\r\nHTTP/1.1 200 OK",
    ] {
        for_every_cut(|envoy| {
            envoy.client(&get().bytes()).unwrap();
            assert_eq!(
                envoy.server(&start(line).bytes()),
                Err(BypassReason::StartLine),
                "{line:?}"
            );
        });
    }
}

#[test]
fn malformed_field_is_bypassed() {
    for (name, value) in [
        ("", "no name"),
        ("blank ", "before the colon"),
        (" blank", "before the name"),
        ("n\u{e4}me", "of other letters"),
        ("x", "folded\r\n to two lines"),
        ("x", "folded\r\n\tto two lines"),
        ("x", "bare\nLF"),
        ("x", "bare\rCR"),
        ("x", "a \0 in it"),
        ("x", "a \u{7f} in it"),
        ("x", "no colon\r\nin this line"),
        ("content-length", "1\n"),
        ("connection", "a\u{7f}"),
        ("transfer-encoding", "chunked\r\n ,gzip"),
        ("connection", "a\r\r\n"),
    ] {
        for_every_cut(|envoy| {
            let result = envoy.client(&get().field(name, value).field("x", "y").bytes());
            assert_eq!(result, Err(BypassReason::Field), "{name:?}: {value:?}");
        });
        for_every_cut(|envoy| {
            envoy.client(&get().bytes()).unwrap();
            let result = envoy.server(&response(200).field(name, value).field("x", "y").bytes());
            assert_eq!(result, Err(BypassReason::Field), "{name:?}: {value:?}");
        });
    }
}

#[test]
fn contradictory_or_unknown_length_is_bypassed() {
    let zeros = format!("{}5", "0".repeat(25));
    for fields in [
        &[("content-length", "5"), ("transfer-encoding", "chunked")][..],
        &[("transfer-encoding", "chunked"), ("content-length", "0")],
        &[("content-length", "5"), ("content-length", "6")],
        &[("content-length", "5, 6")],
        &[("content-length", "5,")],
        &[("content-length", "")],
        &[("content-length", "+5")],
        &[("content-length", "-5")],
        &[("content-length", "0x5")],
        &[("content-length", "5 5")],
        &[("content-length", "18446744073709551616")],
        &[("content-length", &zeros)],
        &[("transfer-encoding", "gzip")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "chunked, chunked")],
        &[
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked"),
        ],
        &[("transfer-encoding", "chunked;q=1")],
        &[("transfer-encoding", "chun ked")],
        &[("transfer-encoding", "identity")],
        &[("transfer-encoding", "")],
    ] {
        let add = |message: Message| {
            fields
                .iter()
                .fold(message, |message, (name, value)| message.field(name, value))
        };
        for_every_cut(|envoy| {
            assert_eq!(
                envoy.client(&add(post()).bytes()),
                Err(BypassReason::Framing),
                "{fields:?}"
            )
        });
        for_every_cut(|envoy| {
            envoy.client(&get().bytes()).unwrap();
            assert_eq!(
                envoy.server(&add(response(200)).bytes()),
                Err(BypassReason::Framing),
                "{fields:?}"
            );
        });
    }
    for message in [
        post().http_1_0().chunked(&chunks()),
        request("CONNECT", "shop.example:443").sized(b"12345"),
        request("CONNECT", "shop.example:443").chunked(&chunks()),
    ] {
        for_every_cut(|envoy| {
            assert_eq!(envoy.client(&message.bytes()), Err(BypassReason::Framing))
        });
    }
}

#[test]
fn malformed_chunk_is_bypassed() {
    for body in [
        "\r\n",
        ";x\r\n",
        " 5\r\n",
        "g\r\n",
        "5\n",
        "5 \r\n",
        "5 5\r\n",
        "5\r\r\n",
        "5;a\nb\r\n",
        "5;a\rb\r\n",
        "00000000000000005\r\n",
        "10000000000000000\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "1\r\na\r\r",
        "-1\r\n",
    ] {
        for_every_cut(|envoy| {
            assert_eq!(
                envoy.client(&chunked(body).bytes()),
                Err(BypassReason::Framing),
                "{body:?}"
            )
        });
    }
    for body in [
        "0\r\nx y\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\n\n",
        "0\r\n\rx",
    ] {
        for_every_cut(|envoy| {
            assert_eq!(
                envoy.client(&chunked(body).bytes()),
                Err(BypassReason::Field),
                "{body:?}"
            )
        });
    }
}

#[test]
fn chunk_size_fills_64_bits() {
    for_every_cut(|envoy| {
        envoy
            .client(&chunked("fFfFfFfFfFfFfFfF\r\nand so on").bytes())
            .unwrap();
        assert_eq!(envoy.connection.active(), 1);
    });
}

/// Pads the head to `length` bytes.
fn padded(message: Message, length: usize) -> Vec<u8> {
    let bare = message.clone().field("x", "").head().len();
    let bytes = message.field("x", &"y".repeat(length - bare)).head();
    assert_eq!(bytes.len(), length);
    bytes
}

#[test]
fn long_head_is_bypassed() {
    for cut in [
        Cut::Nowhere,
        Cut::Into(vec![1]),
        Cut::Into(vec![5000]),
        Cut::At(MAX_HEAD),
        Cut::At(MAX_HEAD - 1),
    ] {
        let mut envoy = Envoy::new(cut.clone());
        let empty_lines = b"\r\n\r\n".to_vec();
        envoy
            .client(&[empty_lines, padded(get(), MAX_HEAD)].concat())
            .unwrap();
        envoy.server(&padded(response(204), MAX_HEAD)).unwrap();
        assert_eq!(envoy.counts(), (1, 0));
        assert_eq!(
            envoy.client(&padded(get(), MAX_HEAD + 1)),
            Err(BypassReason::HeadTooLong)
        );

        let mut envoy = Envoy::new(cut);
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(
            envoy.server(&padded(response(204), MAX_HEAD + 1)),
            Err(BypassReason::HeadTooLong)
        );
    }
}

#[test]
fn bypass_applies_to_both_directions() {
    for_every_cut(|envoy| {
        assert_eq!(envoy.client(b"\0"), Err(BypassReason::StartLine));
        assert_eq!(
            envoy.connection.scan_downstream(&mut &get().bytes()[..]),
            Err(BypassReason::StartLine)
        );
        assert_eq!(
            envoy.connection.scan_upstream(&mut &ok().bytes()[..]),
            Err(BypassReason::StartLine)
        );
        assert_eq!(envoy.connection.requests(), 0);
    });
}

/// Such a protocol never completes a line, so the first wrong byte decides.
#[test]
fn protocol_without_line_ends_is_tcp_once_the_server_responds() {
    for (client, server) in [("hello", "hello"), ("AUTH", "OK"), ("GET", "HTTP/2")] {
        let mut connection = ConnectionScanner::new();
        connection.scan_downstream(&mut client.as_bytes());
        assert_eq!(
            connection.detection(),
            Detection::Detected(Protocol::Http1),
            "{client}"
        );

        connection.scan_upstream(&mut server.as_bytes());

        assert_eq!(
            connection.detection(),
            Detection::Detected(Protocol::Tcp),
            "{client}"
        );
        assert_eq!(connection.progress().active, 0, "{client}");
    }
}
