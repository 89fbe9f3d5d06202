//! Connections (RFC 9112, section 9) and the forms of responses.

use super::{Request, get, message, post};

pub(super) fn requests() -> Vec<Request> {
    [persistence(), courses(), responses()].concat()
}

fn persistence() -> Vec<Request> {
    let with = |name, field: &str| Request::new(name, get(&[field]));
    let next = "GET /{id}/next HTTP/1.1\r\nhost: x\r\n\r\n";
    vec![
        with("the wish to close", "connection: close"),
        with("the wish to close in upper case", "CONNECTION: CLOSE"),
        with("the wish to close in a list", "connection: foo, close"),
        with("the wish to be kept", "connection: keep-alive"),
        with("the terms to be kept", "keep-alive: timeout=5"),
        with("a proxy's wish to close", "proxy-connection: close"),
        Request::new(
            "a field for this connection only",
            get(&["connection: x-a", "x-a: 1"]),
        ),
        Request::new("two requests at once", get(&[]) + next).responses(2),
        Request::new(
            "three requests at once",
            get(&[]) + &post(&["content-length: 5"], "hello") + next,
        )
        .responses(3),
        Request::new(
            "a request behind the last one",
            get(&["connection: close"]) + next,
        )
        .responses(2),
        Request::new("a request and nonsense", get(&[]) + "nonsense\r\n\r\n").responses(2),
        Request::new("an empty line between requests", get(&[]) + "\r\n" + next).responses(2),
        Request::new("half a head", "GET /{id} HTTP/1.1\r\nhost: x\r\nx-a").finished(),
        Request::new("half a body", post(&["content-length: 10"], "hello")).finished(),
        Request::new(
            "half of the chunks",
            post(&["transfer-encoding: chunked"], "5\r\nhello\r\n"),
        )
        .finished(),
    ]
}

fn courses() -> Vec<Request> {
    let upgrade = |name, to: &str| {
        let upgrade = format!("upgrade: {to}");
        Request::new(name, get(&["connection: upgrade", &upgrade]))
    };
    vec![
        Request::new(
            "Expect: 100-continue",
            post(&["expect: 100-continue", "content-length: 5"], "hello"),
        ),
        Request::new(
            "Expect: 100-continue without a body",
            get(&["expect: 100-continue"]),
        ),
        Request::new(
            "another expectation",
            post(&["expect: something", "content-length: 5"], "hello"),
        ),
        Request::new(
            "an upgrade to HTTP/2",
            get(&[
                "connection: upgrade, http2-settings",
                "upgrade: h2c",
                "http2-settings: AAMAAABk",
            ]),
        ),
        upgrade("an upgrade to something unknown", "something"),
        upgrade("an upgrade to a WebSocket that is refused", "websocket"),
        Request::new("trailers welcome", get(&["connection: te", "te: trailers"])),
        Request::new("no more hops", get(&["max-forwards: 0"])),
    ]
}

fn responses() -> Vec<Request> {
    let form = |name, line: &str| Request::new(name, message(line, &["host: x"], ""));
    let head = message("HEAD /{id} HTTP/1.1", &["host: x"], "");
    vec![
        form("an response without content", "GET /{id}/204 HTTP/1.1"),
        form(
            "an response that nothing was modified",
            "GET /{id}/304 HTTP/1.1",
        ),
        form("an response in chunks", "GET /{id}/chunks HTTP/1.1"),
        form(
            "the head of an response in chunks",
            "HEAD /{id}/chunks HTTP/1.1",
        ),
        Request::new("a HEAD and a GET at once", head + &get(&[])).responses(2),
    ]
}
