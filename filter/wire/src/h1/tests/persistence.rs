//! The fields that `connection: close` replaces.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::messages::{Message, get, ok};
use super::{Http1Scanner, ResponseHead};
use crate::splice::{connection_close, replace_range};

/// The head of a response to `request`, written in one piece.
fn head(request: &Message, response: &[u8]) -> ResponseHead {
    let mut connection = Http1Scanner::default();
    connection
        .scan_downstream(&mut &request.bytes()[..])
        .unwrap();
    connection
        .scan_upstream(&mut &response[..])
        .unwrap()
        .unwrap()
}

/// `response` with the edits that end the connection.
fn closed(response: &[u8]) -> String {
    let edits = connection_close(head(&get(), response)).unwrap();
    let edit = |bytes: Vec<u8>, edit: crate::splice::Edit| {
        replace_range(&bytes, edit.at, edit.len, edit.replacement)
    };
    String::from_utf8(edits.fold(response.to_vec(), edit)).unwrap()
}

#[test]
fn close_replaces_persistence_fields() {
    for (fields, expected) in [
        ("", "connection: close\r\n"),
        ("Connection: keep-alive\r\n", "Connection: close\r\n"),
        (
            "Connection: Keep-Alive\r\nKeep-Alive: timeout=5, max=100\r\nx: y\r\n",
            "Connection: close\r\nx: y\r\n",
        ),
        (
            "keep-alive: timeout=5\r\nx: y\r\nconnection:keep-alive\r\n",
            "x: y\r\nconnection:close\r\n",
        ),
        ("Keep-Alive: timeout=5\r\n", "connection: close\r\n"),
        ("Connection: x-hop\r\n", "Connection: close, x-hop\r\n"),
        (
            "Connection: x-hop ,\tKeep-Alive \r\n",
            "Connection: x-hop ,\tclose \r\n",
        ),
        ("Connection:\r\n", "Connection:\r\nconnection: close\r\n"),
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok");

        let closed = closed(response.as_bytes());

        // Where nothing is replaced, the new field comes last.
        let whole =
            |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok");
        let last = whole(
            expected
                .strip_suffix("connection: close\r\n")
                .unwrap_or("x"),
        )
        .replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        assert!(closed == whole(expected) || closed == last, "{closed}");
    }
}

#[test]
fn only_fields_of_the_current_write_are_replaced() {
    let response = ok()
        .field("connection", "keep-alive")
        .field("keep-alive", "timeout=5")
        .field("x", "y")
        .bytes();
    let text = String::from_utf8(response.clone()).unwrap();
    let option = text.find("keep-alive").unwrap();
    let end = text.find("\r\n\r\n").unwrap() + 4;
    for cut in 1..end {
        let mut connection = Http1Scanner::default();
        connection.scan_downstream(&mut &get().bytes()[..]).unwrap();
        let (first, second) = response.split_at(cut);
        assert_eq!(connection.scan_upstream(&mut &first[..]), Ok(None));

        let head = connection.scan_upstream(&mut &second[..]).unwrap().unwrap();

        assert_eq!(head.persistence.is_some(), cut <= option, "cut at {cut}");
        if let Some(edits) = connection_close(head).filter(|_| cut <= option) {
            let edited = edits.fold(second.to_vec(), |bytes, edit| {
                replace_range(&bytes, edit.at, edit.len, edit.replacement)
            });
            let whole = String::from_utf8([first, &edited].concat()).unwrap();
            assert!(
                !whole.to_ascii_lowercase().contains("keep-alive"),
                "{whole}"
            );
            assert!(whole.contains("connection: close\r\n"), "{whole}");
        }
    }
}

#[test]
fn http_1_0_persists_only_if_both_peers_request_it() {
    let kept = get().http_1_0().field("connection", "keep-alive");
    for (request, response, may_close) in [
        (&kept, ok().field("connection", "keep-alive"), true),
        (&kept, ok(), false),
        (&kept, ok().http_1_0(), false),
        (
            &kept.clone().field("connection", "close"),
            ok().field("connection", "keep-alive"),
            false,
        ),
        (
            &get().http_1_0(),
            ok().field("connection", "keep-alive"),
            false,
        ),
    ] {
        assert_eq!(
            head(request, &response.bytes()).may_close,
            may_close,
            "{response:?}"
        );
    }
}
