//! Requests.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::envoy::for_every_cut;
use super::head_of;
use super::messages::{chunks, get, ok, post, request, response};

#[test]
fn request_is_active_until_its_response_is_complete() {
    for_every_cut(|envoy| {
        let (first, rest) = (&get().bytes()[..1], &get().bytes()[1..]);
        assert_eq!(envoy.counts(), (0, 0));
        envoy.client(first).unwrap();
        assert_eq!(envoy.counts(), (0, 1));
        envoy.client(rest).unwrap();
        assert_eq!(envoy.counts(), (1, 1));
        assert_eq!(envoy.server(&ok().head()).unwrap(), [head_of(&ok())]);
        assert_eq!(envoy.counts(), (1, 1));
        assert_eq!(envoy.server(ok().body()).unwrap(), []);
        assert_eq!(envoy.counts(), (1, 0));
    });
}

#[test]
fn requests_are_counted_one_after_another() {
    for_every_cut(|envoy| {
        for served in 0..5 {
            assert_eq!(envoy.counts(), (served, 0));
            envoy.client(&get().bytes()).unwrap();
            assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        }
    });
}

#[test]
fn empty_lines_are_not_requests() {
    for_every_cut(|envoy| {
        envoy.client(b"\r\n\r\n").unwrap();
        assert_eq!(envoy.connection.active(), 0);
        envoy
            .client(&[b"\r\n", &get().bytes()[..]].concat())
            .unwrap();
        assert_eq!(envoy.counts(), (1, 1));
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
    });
}

#[test]
fn request_body_ends_by_length_or_last_chunk() {
    let sized = post().sized(b"GET /not-a-request HTTP/1.1\r\n\r\n");
    let body = chunks()
        .chunk_with(" ;name=\"quoted; text\"", b"GET / HTTP/1.1\r\n\r\n")
        .chunk_with(";a;b=c", &[b'x'; 300])
        .trailer("content-length", "7")
        .trailer("transfer-encoding", "gzip")
        .trailer("connection", "close");
    let with_line_ends = chunks().chunk(b"0\r\n\r\n").chunk(b"more");
    for message in [
        sized.bytes(),
        post().chunked(&with_line_ends).bytes(),
        post().chunked(&body).bytes(),
        post().chunked(&chunks()).bytes(),
        post()
            .field("Transfer-Encoding", " \tChunked \t ")
            .unsized_body(&body.bytes())
            .bytes(),
        post()
            .field("CONTENT-LENGTH", "\t5 ")
            .unsized_body(b"\r\n\r\n\r")
            .bytes(),
        post()
            .field("content-length", "5, 5")
            .field("content-length", "5")
            .unsized_body(b"12345")
            .bytes(),
        post().field("content-length", "0").bytes(),
    ] {
        for_every_cut(|envoy| {
            envoy.client(&message[..message.len() - 1]).unwrap();
            let early = envoy.connection.active();
            envoy.client(&message[message.len() - 1..]).unwrap();
            assert_eq!((early, envoy.connection.active()), (1, 1));
            assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
            assert_eq!(envoy.counts(), (1, 0));
            envoy.client(&get().bytes()).unwrap();
            assert_eq!(envoy.counts(), (2, 1));
        });
    }
}

#[test]
fn any_method_and_target_form_is_accepted() {
    let long = "x".repeat(3000);
    for (method, target) in [
        ("GET", "http://shop.example:8080/a?b=%20"),
        ("OPTIONS", "*"),
        ("PROPFIND", "/"),
        ("A-METHOD-LONGER-THAN-ANY-KNOWN", "/"),
        ("GET", long.as_str()),
    ] {
        let mut envoy = super::envoy::Envoy::new(super::envoy::Cut::Into(vec![1]));
        envoy.client(&request(method, target).bytes()).unwrap();
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
    }
}

#[test]
fn close_is_not_offered_to_closing_or_http_1_0_requests() {
    for message in [
        get().field("connection", "close"),
        get().field("Connection", "x, Close ,keep-alive"),
        get().field("connection", "x").field(
            "connection",
            "close\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t",
        ),
        get().http_1_0(),
        get().http_1_0().field("connection", "keep-alive"),
    ] {
        for_every_cut(|envoy| {
            envoy.client(&message.bytes()).unwrap();
            let heads = envoy.server(&ok().bytes()).unwrap();
            assert_eq!(
                heads.iter().map(|head| head.may_close).collect::<Vec<_>>(),
                [false]
            );
        });
    }
    for message in [
        get().field("connection", "close-not"),
        get().field("connection", "clos e"),
        get().field("x", "close"),
    ] {
        for_every_cut(|envoy| {
            envoy.client(&message.bytes()).unwrap();
            assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        });
    }
}

#[test]
fn response_100_precedes_the_final_response() {
    for_every_cut(|envoy| {
        let message = post().field("expect", "100-continue").sized(b"12345");
        envoy.client(&message.head()).unwrap();
        assert_eq!(envoy.server(&response(100).bytes()).unwrap(), []);
        assert_eq!(envoy.connection.active(), 1);
        envoy.client(message.body()).unwrap();
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        assert_eq!(envoy.counts(), (1, 0));
    });
}
