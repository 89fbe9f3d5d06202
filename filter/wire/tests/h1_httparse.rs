//! What the scanner accepts, `httparse` accepts with the same result. The scanner may be stricter.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

use evenkeel_wire::h1::Http1Scanner;
use evenkeel_wire::{BypassReason, ByteSource};
use httparse::{EMPTY_HEADER, Header, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Bytes that must not be read.
struct Unread(u64);

impl ByteSource for Unread {
    fn len(&self) -> usize {
        usize::try_from(self.0).unwrap()
    }

    fn read(&mut self, _: usize, _: usize) -> Vec<u8> {
        panic!("a sized body was read")
    }
}

/// The length of a body, by the fields that `httparse` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Unknown,
    Sized(u64),
    Chunked,
}

impl Length {
    fn of(headers: &[Header<'_>]) -> Self {
        let elements = |name: &str| -> Vec<String> {
            let named = headers
                .iter()
                .filter(|header| header.name.eq_ignore_ascii_case(name));
            let values: Vec<_> = named
                .map(|header| String::from_utf8_lossy(header.value))
                .collect();
            let elements = values.iter().flat_map(|value| value.split(','));
            elements
                .map(|element| element.trim().to_ascii_lowercase())
                .collect()
        };
        let lengths = elements("content-length");
        let mut lengths: Vec<u64> = lengths
            .iter()
            .map(|digits| digits.parse().unwrap())
            .collect();
        lengths.dedup();
        let codings = elements("transfer-encoding");
        match (&lengths[..], &codings[..]) {
            ([], []) => Self::Unknown,
            ([length], []) => Self::Sized(*length),
            ([], [coding]) if coding == "chunked" => Self::Chunked,
            lengths => panic!("accepted with {lengths:?}"),
        }
    }
}

fn field() -> impl Strategy<Value = String> {
    let known = select(vec![
        "Content-Length: 5",
        "content-length: 5 , 5",
        "content-length: 18446744073709551615",
        "Content-Length:0",
        "Transfer-Encoding: chunked",
        "transfer-encoding: Chunked",
        "transfer-encoding: gzip, chunked",
        "Connection: close",
        "connection: Keep-Alive, Upgrade",
        "Upgrade: websocket",
        "Keep-Alive: timeout=5",
        "Host: shop.example",
        "x:",
        "x: \t ",
        "x: a\tb",
        "x: \u{e4}",
    ]);
    prop_oneof![2 => known.prop_map(String::from), 1 => "[a-zA-Z!#$-]{1,24}:[ -~\t]{0,30}"]
}

/// A head that begins with one of `lines`, with up to three bytes changed.
fn changed_head(lines: Vec<&'static str>) -> impl Strategy<Value = Vec<u8>> {
    let interesting = select(b"\r\n\t\0\x7f\x80 ,:;/\"HTP/1.0129x\xff".to_vec());
    let byte = prop_oneof![3 => interesting, 1 => any::<u8>()];
    let change = (0..4_u8, any::<Index>(), byte);
    (select(lines), vec(field(), 0..5), vec(change, 0..4)).prop_map(|(line, fields, changes)| {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let mut head = format!("{line}\r\n{fields}\r\n").into_bytes();
        for (kind, position, byte) in changes {
            let position = position.index(head.len());
            match kind {
                0 => head[position] = byte,
                1 => head.insert(position, byte),
                2 => drop(head.remove(position)),
                _ => head.extend_from_within(position..),
            }
        }
        head
    })
}

fn changed_request_head() -> impl Strategy<Value = Vec<u8>> {
    changed_head(vec![
        "GET / HTTP/1.1",
        "\r\nGET / HTTP/1.1",
        "\nGET / HTTP/1.1",
        "POST /a?b=c HTTP/1.1",
        "HEAD http://shop.example/ HTTP/1.0",
        "CONNECT shop.example:443 HTTP/1.1",
    ])
}

fn changed_response_head() -> impl Strategy<Value = Vec<u8>> {
    changed_head(vec![
        "HTTP/1.1 200 OK",
        "HTTP/1.1 404",
        "HTTP/1.0 503 ",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 200 Gr\u{fc}n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    ])
}

/// Scans `bytes` one by one until a request head has ended. Returns its length.
fn request_head(
    connection: &mut Http1Scanner,
    bytes: &[u8],
) -> Result<Option<usize>, BypassReason> {
    for (at, byte) in bytes.iter().enumerate() {
        connection.scan_downstream(&mut &[*byte][..])?;
        if connection.requests() == 1 {
            return Ok(Some(at + 1));
        }
    }
    Ok(None)
}

/// Scans `bytes` one by one until the head of a final response has ended. Returns its end, and whether it closes.
fn response_head(
    connection: &mut Http1Scanner,
    bytes: &[u8],
) -> Result<Option<(usize, bool)>, BypassReason> {
    for (at, byte) in bytes.iter().enumerate() {
        if let Some(head) = connection.scan_upstream(&mut &[*byte][..])? {
            return Ok(Some((at + 1, head.closes)));
        }
    }
    Ok(None)
}

/// Parses interim responses and a final one with `httparse`. Returns the end of the final head, and the body's length.
fn parse_response(bytes: &[u8]) -> Option<(usize, Length)> {
    let mut headers = [EMPTY_HEADER; 64];
    let mut parser = httparse::Response::new(&mut headers);
    let Ok(Status::Complete(end)) = parser.parse(bytes) else {
        return None;
    };
    match parser.code? {
        100 | 102..=199 => parse_response(&bytes[end..]).map(|(more, length)| (end + more, length)),
        101 | 204 | 304 => Some((end, Length::Sized(0))),
        _ => Some((end, Length::of(parser.headers))),
    }
}

/// Whether the request is complete: then the exchange ends with the response.
fn is_request_complete(connection: &mut Http1Scanner) -> bool {
    let response = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    assert!(
        connection
            .scan_upstream(&mut &response[..])
            .unwrap()
            .is_some()
    );
    connection.active() == 0
}

fn after_request(head: &[u8]) -> Http1Scanner {
    let mut connection = Http1Scanner::default();
    connection.scan_downstream(&mut { head }).unwrap();
    connection
}

fn after_response(head: &[u8]) -> Http1Scanner {
    let mut connection = after_request(GET);
    connection.scan_upstream(&mut { head }).unwrap();
    connection
}

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// Asserts that the request with this head is complete after a body of `length`, and not before.
fn assert_request_length(head: &[u8], length: Length) {
    match length {
        Length::Unknown | Length::Sized(0) => {
            assert!(is_request_complete(&mut after_request(head)))
        }
        Length::Sized(length) => {
            for (arrived, is_complete) in [(length - 1, false), (length, true)] {
                let mut connection = after_request(head);
                connection.scan_downstream(&mut Unread(arrived)).unwrap();
                assert_eq!(is_request_complete(&mut connection), is_complete);
            }
        }
        Length::Chunked => {
            for (arrived, is_complete) in [("0\r\n\r", false), ("0\r\n\r\n", true)] {
                let mut connection = after_request(head);
                connection.scan_downstream(&mut arrived.as_bytes()).unwrap();
                assert_eq!(is_request_complete(&mut connection), is_complete);
            }
        }
    }
}

/// Asserts that the response with this head is complete after a body of `length`, and not before.
fn assert_response_length(head: &[u8], length: Length, closes: bool) {
    let mut connection = after_response(head);
    match length {
        _ if connection.is_tunnel() => {}
        Length::Unknown => assert!(closes && connection.active() == 1),
        Length::Sized(length) => {
            assert_eq!(connection.active(), u32::from(length > 0));
            connection
                .scan_upstream(&mut Unread(length.saturating_sub(1)))
                .unwrap();
            assert_eq!(connection.active(), u32::from(length > 0));
            connection
                .scan_upstream(&mut Unread(length.min(1)))
                .unwrap();
            assert_eq!(connection.active(), 0);
        }
        Length::Chunked => {
            connection.scan_upstream(&mut &b"0\r\n\r"[..]).unwrap();
            assert_eq!(connection.active(), 1);
            connection.scan_upstream(&mut &b"\n"[..]).unwrap();
            assert_eq!(connection.active(), 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn request_heads(head in changed_request_head()) {
        let mut headers = [EMPTY_HEADER; 64];
        let mut parser = httparse::Request::new(&mut headers);
        let expected = parser.parse(&head);
        match request_head(&mut Http1Scanner::default(), &head) {
            Err(_) => {}
            Ok(None) => prop_assert!(!matches!(expected, Ok(Status::Complete(_)))),
            Ok(Some(end)) => {
                prop_assert_eq!(expected, Ok(Status::Complete(end)));
                assert_request_length(&head[..end], Length::of(parser.headers));
            }
        }
    }

    #[test]
    fn response_heads(head in changed_response_head()) {
        match response_head(&mut after_request(GET), &head) {
            Err(_) => {}
            Ok(None) => prop_assert_eq!(parse_response(&head), None),
            Ok(Some((end, closes))) => {
                let (expected, length) = parse_response(&head).unwrap();
                prop_assert_eq!(expected, end);
                assert_response_length(&head[..end], length, closes);
            }
        }
    }

    #[test]
    fn chunk_sizes(line in "[0-9a-fA-F]{0,18}[ \t]{0,2}(;[ -~]{0,9})?[\r\n]{1,2}") {
        let mut connection = after_request(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
        if connection.scan_downstream(&mut line.as_bytes()).is_ok() {
            match httparse::parse_chunk_size(line.as_bytes()) {
                Ok(Status::Complete((end, size))) => {
                    prop_assert_eq!(end, line.len());
                    connection.scan_downstream(&mut Unread(size)).unwrap();
                    let rest = if size == 0 { &b"\r\n"[..] } else { b"\r\n0\r\n\r\n" };
                    connection.scan_downstream(&mut { rest }).unwrap();
                    prop_assert!(is_request_complete(&mut connection));
                }
                other => prop_assert!(other == Ok(Status::Partial) && !line.ends_with('\n')),
            }
        }
    }
}
