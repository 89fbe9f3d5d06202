//! Message bodies (RFC 9112, sections 6 and 7) and request smuggling (section 11.2).

use super::{Id, Request, message, post};

const CHUNKED: &str = "transfer-encoding: chunked";
/// A smuggled request, for a reader that takes the body for shorter than its sender does.
const SMUGGLED: &str = "GET /{id}/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";

pub(super) fn requests() -> Vec<Request> {
    [lengths(), codings(), chunks()].concat()
}

fn lengths() -> Vec<Request> {
    let length = |name, value: &str| {
        Request::new(name, post(&[&format!("content-length: {value}")], "hello"))
    };
    let smuggled = field_for(SMUGGLED);
    vec![
        length("a body with a length", "5"),
        Request::new("an empty body", post(&["content-length: 0"], "")),
        Request::new("a POST without a body", post(&[], "")),
        Request::new(
            "a GET with a body",
            message(
                "GET /{id} HTTP/1.1",
                &["host: x", "content-length: 5"],
                "hello",
            ),
        ),
        length("a length with a zero before it", "05"),
        length("a length with a sign", "+5"),
        length("a negative length", "-5"),
        length("a length in hexadecimal", "0x5"),
        length("a length with a fraction", "5.0"),
        length("a length that is no number", "five"),
        length("a length that is too large", "18446744073709551621"),
        length("an empty length", ""),
        length("a list of equal lengths", "5, 5"),
        length("a list of different lengths", "5, 6"),
        Request::new(
            "two equal lengths",
            post(&["content-length: 5", "content-length: 5"], "hello"),
        ),
        Request::new(
            "two different lengths",
            post(&["content-length: 0", &smuggled], SMUGGLED),
        ),
        Request::new(
            "more than the length",
            post(&["content-length: 5"], "hello, world\r\n\r\n"),
        ),
        Request::new("a request as a body", post(&[&smuggled], SMUGGLED)),
    ]
}

fn codings() -> Vec<Request> {
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let of = |name, fields: &[&str]| Request::new(name, post(fields, &body)).responses(2);
    let coding = |name, value: &str| of(name, &[&format!("transfer-encoding: {value}")]);
    vec![
        coding("chunks, and another request", "chunked"),
        coding("a coding in upper case", "CHUNKED"),
        coding("a coding twice", "chunked, chunked"),
        coding("a coding before chunked", "gzip, chunked"),
        coding("a coding behind chunked", "chunked, gzip"),
        coding("the coding identity", "identity"),
        coding("an unknown coding", "xchunked"),
        coding("an empty coding", ""),
        coding("a coding with a parameter", "chunked;a=b"),
        coding("a coding in quotes", "\"chunked\""),
        coding("a coding behind a vertical tab", "\u{b}chunked"),
        coding("a coding on a folded line", "\r\n chunked"),
        of(
            "white space before a coding's colon",
            &["transfer-encoding : chunked"],
        ),
        of("a coding on two lines", &[CHUNKED, CHUNKED]),
        of(
            "chunked and identity",
            &[CHUNKED, "transfer-encoding: identity"],
        ),
        of("a short length and chunks", &["content-length: 5", CHUNKED]),
        of("chunks and the whole length", &[CHUNKED, &field_for(&body)]),
        Request::new(
            "chunks in HTTP/1.0",
            message("POST /{id} HTTP/1.0", &["host: x", CHUNKED], "0\r\n\r\n"),
        ),
    ]
}

fn chunks() -> Vec<Request> {
    let chunks = |name, body: &str| Request::new(name, post(&[CHUNKED], body));
    vec![
        chunks("two chunks", "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"),
        chunks("a size in upper case", "A\r\n0123456789\r\n0\r\n\r\n"),
        chunks(
            "a size with zeros before it",
            "00005\r\nhello\r\n000\r\n\r\n",
        ),
        chunks(
            "a chunk extension",
            "5;a=b;c=\"d;e\"\r\nhello\r\n0;f\r\n\r\n",
        ),
        chunks("an empty chunk extension", "5;\r\nhello\r\n0\r\n\r\n"),
        chunks(
            "a chunk extension with a bare LF",
            "5;a\nb\r\nhello\r\n0\r\n\r\n",
        ),
        chunks("white space behind a size", "5 \r\nhello\r\n0\r\n\r\n"),
        chunks("a trailer", "5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n"),
        chunks("a trailer with a length", "0\r\ncontent-length: 5\r\n\r\n"),
        chunks("a trailer that is none", "0\r\nx-sum\r\n\r\n"),
        chunks("no size", "\r\nhello\r\n0\r\n\r\n"),
        chunks("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
        chunks("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        chunks(
            "a size that is too large",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        chunks("more than the size", "5\r\nhello, world\r\n0\r\n\r\n"),
        chunks("bare LFs between chunks", "5\nhello\n0\n\n"),
        chunks("a bare CR behind a size", "5\rXhello\r\n0\r\n\r\n"),
    ]
}

/// The length of that body with its id.
fn field_for(body: &str) -> String {
    let length = Request::new("", body).bytes(Id(0)).len();
    format!("content-length: {length}")
}
