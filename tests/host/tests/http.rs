//! HTTP streams in the test host: what Envoy does with headers, bodies and answers, the host does.

mod guest;

use evenkeel_test_host::{Action, Connection, Host, Root, RootSpec, Stream};
use guest::{host, story};

const REQUEST: [(&str, &str); 3] = [
    (":method", "GET"),
    (":path", "/a?b"),
    (":authority", "x.test"),
];

fn start(host: &Host) -> (Root, Connection, Stream) {
    let worker = host.start_worker();
    let root = worker.configure(&RootSpec::new("http"));
    let connection = worker.accept();
    let stream = root.stream(&connection);
    (root, connection, stream)
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Adds `connection: close`, replaces `x`, removes `y`.
fn editor(callback: &str, map: u32) -> String {
    format!(
        r#"(data (i32.const 128) "connection") (data (i32.const 144) "close")
           (data (i32.const 160) "x") (data (i32.const 161) "y")
           (func (export "{callback}") (param i32 i32 i32) (result i32)
             (call $digit (call $add (i32.const {map}) (i32.const 128) (i32.const 10)
               (i32.const 144) (i32.const 5)))
             (call $digit (call $replace (i32.const {map}) (i32.const 160) (i32.const 1)
               (i32.const 144) (i32.const 5)))
             (call $digit (call $remove (i32.const {map}) (i32.const 161) (i32.const 1)))
             (i32.const 0))"#
    )
}

#[test]
fn request_headers_reach_the_router_as_the_module_left_them() {
    let host = host(&editor("proxy_on_request_headers", 0));
    let (_, _, stream) = start(&host);
    assert_eq!(
        stream.request_headers(&[("X", "1"), ("x", "2"), ("y", "3")], true),
        Action::Continue
    );
    assert_eq!(
        stream.request(),
        [pair("connection", "close"), pair("x", "close")]
    );
    assert_eq!(story(&host), "000");
}

#[test]
fn connection_header_of_a_response_does_not_reach_the_client() {
    let host = host(&editor("proxy_on_response_headers", 2));
    let (_, _, stream) = start(&host);
    stream.request_headers(&REQUEST, true);
    stream.response_headers(&[(":status", "200"), ("keep-alive", "max=1")], true);
    assert_eq!(
        stream.response(),
        [pair(":status", "200"), pair("x", "close")]
    );
}

#[test]
fn headers_are_available_in_their_own_callback_only() {
    let host = host(
        r#"(data (i32.const 128) ":path")
           (func $ask (call $digit (call $header (i32.const 0) (i32.const 128) (i32.const 5)
             (i32.const 64) (i32.const 68))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $ask) (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
             (call $ask)
             (call $digit (call $pairs (i32.const 0) (i32.const 64) (i32.const 68)))
             (call $digit (i32.load (i32.const 68)))
             (i32.const 0))
           (func (export "proxy_on_log") (param i32) (call $ask))
           (func (export "proxy_on_done") (param i32) (result i32) (call $ask) (i32.const 1))"#,
    );
    let (_, _, stream) = start(&host);
    stream.request_headers(&REQUEST, true);
    stream.response_headers(&[(":status", "200")], true);
    stream.ends();
    assert_eq!(
        story(&host),
        "020002",
        "read, refused, no pairs, read in the log phase, refused"
    );
}

#[test]
fn pairs_have_the_wire_format_of_the_abi() {
    let host = host(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $pairs (i32.const 0) (i32.const 64) (i32.const 68)))
             (call $digit (i32.load (i32.load (i32.const 64))))
             ;; The first name's first byte: `:` becomes `x`.
             (i32.store8 (i32.add (i32.load (i32.const 64)) (i32.const 28)) (i32.const 120))
             (call $digit (call $set_pairs (i32.const 0) (i32.load (i32.const 64)) (i32.load (i32.const 68))))
             (i32.const 0))"#,
    );
    let (_, _, stream) = start(&host);
    stream.request_headers(&REQUEST, true);
    assert_eq!(story(&host), "30");
    let rest = [pair(":path", "/a?b"), pair(":authority", "x.test")];
    assert_eq!(
        stream.request(),
        [vec![pair("xmethod", "GET")], rest.to_vec()].concat()
    );
}

#[test]
fn buffered_body_is_passed_again_as_a_whole() {
    let host = host(
        r#"(func (export "proxy_on_request_body") (param i32) (param $size i32) (param $end i32) (result i32)
             (drop (call $get_buffer (i32.const 0) (i32.const 0) (local.get $size)
               (i32.const 64) (i32.const 68)))
             (call $tell) (call $mark (i32.const 47))
             (i32.eqz (local.get $end)))"#,
    );
    let (_, _, stream) = start(&host);
    stream.request_headers(&REQUEST, false);
    assert_eq!(stream.request_body("ab", false), Action::Pause);
    assert_eq!(stream.request_body_passed(), b"");
    assert_eq!(stream.request_body("c", true), Action::Continue);
    assert_eq!(stream.request_body_passed(), b"abc");
    assert_eq!(story(&host), "ab/abc/");
}

#[test]
fn local_reply_stops_the_request_and_runs_the_response_callback() {
    let host = host(
        r#"(data (i32.const 128) "busy")
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $respond (i32.const 429) (i32.const 0) (i32.const 0) (i32.const 128) (i32.const 4)
               (i32.const 0) (i32.const 0) (i32.const -1)))
             (call $mark (i32.const 113))
             (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32 i32) (param $end i32) (result i32)
             (call $mark (i32.const 114)) (call $digit (local.get $end)) (i32.const 0))"#,
    );
    let (_, _, stream) = start(&host);
    assert_eq!(stream.request_headers(&REQUEST, true), Action::Pause);
    let response = stream.local_response().expect("the module answered");
    assert_eq!(
        (response.status, response.body.as_slice()),
        (429, b"busy".as_slice())
    );
    assert_eq!(response.grpc_status, None);
    assert_eq!(story(&host), "qr0");
    assert_eq!(stream.response()[0], pair(":status", "429"));
}

#[test]
fn stream_ends_with_log_done_and_delete() {
    let host = host(
        r#"(func (export "proxy_on_log") (param $id i32) (call $mark (i32.const 108)) (call $digit (local.get $id)))
           (func (export "proxy_on_done") (param i32) (result i32) (call $mark (i32.const 100)) (i32.const 1))
           (func (export "proxy_on_delete") (param i32) (call $mark (i32.const 120)))"#,
    );
    let (root, connection, first) = start(&host);
    let second = root.stream(&connection);
    first.request_headers(&REQUEST, true);
    second.request_headers(&REQUEST, true);
    second.ends();
    assert_eq!(story(&host), "l3dx");
    connection.client_closes();
    assert_eq!(story(&host), "l3dxl2dx");
    assert!(first.has_ended());
}

#[test]
fn reset_of_the_module_ends_the_stream() {
    let host = host(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $close (i32.const 0))) (i32.const 1))"#,
    );
    let (_, _, stream) = start(&host);
    stream.request_headers(&REQUEST, true);
    assert!(stream.was_reset() && stream.has_ended());
}

#[test]
fn stream_has_the_properties_of_its_connection() {
    let host = host(
        r#"(data (i32.const 128) "connection\00id") (data (i32.const 160) "upstream\00address")
           (data (i32.const 192) "request\00url_path") (data (i32.const 224) "xds\00listener_direction")
           (func $ask (param $path i32) (param $len i32)
             (call $digit (call $get_property (local.get $path) (local.get $len)
               (i32.const 64) (i32.const 68))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $ask (i32.const 128) (i32.const 13)) (call $digit (i32.load (i32.load (i32.const 64))))
             (call $ask (i32.const 160) (i32.const 16))
             (call $ask (i32.const 192) (i32.const 16)) (call $tell)
             (call $ask (i32.const 224) (i32.const 22)) (call $digit (i32.load (i32.load (i32.const 64))))
             (i32.const 0))"#,
    );
    let worker = host.start_worker();
    let spec = RootSpec::new("http").direction(evenkeel_test_host::Direction::Inbound);
    let root = worker.configure(&spec);
    let connection = worker.accept();
    connection.set_property(&["upstream", "address"], "10.0.0.9:80");
    root.stream(&connection).request_headers(&REQUEST, true);
    assert_eq!(story(&host), format!("0{}10/a01", connection.id()));
}

#[test]
fn crashed_vm_responds_with_503() {
    let host = host(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable)"#,
    );
    host.expect_crashes();
    let (_, _, stream) = start(&host);
    assert_eq!(stream.request_headers(&REQUEST, true), Action::Pause);
    assert_eq!(
        stream.local_response().map(|response| response.status),
        Some(503)
    );
}

#[test]
#[should_panic(expected = "a connection stays on its worker")]
fn stream_runs_on_the_worker_of_its_connection() {
    let host = host("");
    let connection = host.start_worker().accept();
    host.start_worker()
        .configure(&RootSpec::new("http"))
        .stream(&connection);
}
