//! HTTP streams in the test host: headers, local replies and properties.

mod guest;

use evenkeel_test_host::{Connection, Host, Root, RootSpec, Stream};
use guest::{host, logged};

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

#[test]
fn request_headers_reach_the_router_as_the_module_left_them() {
    let host = host(
        r#"(data (i32.const 128) "connection") (data (i32.const 144) "close") (data (i32.const 160) "X")
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $digit (call $replace (i32.const 0) (i32.const 128) (i32.const 10)
               (i32.const 144) (i32.const 5)))
             (call $digit (call $replace (i32.const 0) (i32.const 160) (i32.const 1)
               (i32.const 144) (i32.const 5)))
             (i32.const 0))"#,
    );
    let (_, _, stream) = start(&host);
    stream.request_headers(&[("X", "1"), ("x", "2"), ("y", "3")], true);
    let expected = [
        pair("y", "3"),
        pair("connection", "close"),
        pair("x", "close"),
    ];
    assert_eq!(stream.request(), expected);
    assert_eq!(logged(&host), "00");
}

#[test]
fn headers_are_available_in_their_own_callback_only() {
    let host = host(
        r#"(data (i32.const 128) ":path") (data (i32.const 160) ":none")
           (func $ask (param $name i32) (call $digit (call $header (i32.const 0) (local.get $name)
             (i32.const 5) (i32.const 64) (i32.const 68))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $ask (i32.const 128)) (call $ask (i32.const 160)) (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
             (call $ask (i32.const 128)) (i32.const 0))
           (func (export "proxy_on_delete") (param i32) (call $ask (i32.const 128)))"#,
    );
    let (_, _, stream) = start(&host);
    stream.request_headers(&REQUEST, true);
    stream.response_headers(&[(":status", "200")], true);
    stream.ends();
    assert_eq!(logged(&host), "0122");
}

#[test]
fn local_reply_passes_the_response_callback() {
    let host = host(
        r#"(data (i32.const 128) "busy")
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $respond (i32.const 429) (i32.const 0) (i32.const 0) (i32.const 128) (i32.const 4)
               (i32.const 0) (i32.const 0) (i32.const -1)))
             (call $mark (i32.const 113))
             (i32.const 1))
           (func (export "proxy_on_response_headers") (param i32 i32) (param $end i32) (result i32)
             (call $mark (i32.const 114)) (call $digit (local.get $end)) (i32.const 0))"#,
    );
    let (_, _, stream) = start(&host);
    stream.request_headers(&REQUEST, true);
    let response = stream.local_response().expect("the module responded");
    assert_eq!(
        (response.status, response.body.as_slice()),
        (429, b"busy".as_slice())
    );
    assert_eq!(response.grpc_status, None);
    assert_eq!(logged(&host), "qr0");
}

#[test]
#[should_panic(expected = "paused a request without a response")]
fn paused_request_fails_the_test() {
    let host = host(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    );
    let (_, _, stream) = start(&host);
    stream.request_headers(&REQUEST, true);
}

#[test]
fn end_of_a_stream_or_its_connection_deletes_its_context() {
    let host = host(
        r#"(func (export "proxy_on_delete") (param $id i32) (call $mark (i32.const 120)) (call $digit (local.get $id)))"#,
    );
    let (root, connection, first) = start(&host);
    let second = root.stream(&connection);
    first.request_headers(&REQUEST, true);
    second.request_headers(&REQUEST, true);
    second.ends();
    assert_eq!(logged(&host), "x3");
    connection.client_closes();
    assert_eq!(logged(&host), "x3x2");
    assert!(first.has_ended());
}

#[test]
fn stream_has_the_properties_of_its_connection() {
    let host = host(
        r#"(data (i32.const 128) "connection\00id") (data (i32.const 160) "upstream\00address")
           (data (i32.const 192) "request\00path") (data (i32.const 224) "xds\00listener_direction")
           (func $ask (param $path i32) (param $len i32)
             (call $digit (call $get_property (local.get $path) (local.get $len)
               (i32.const 64) (i32.const 68))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $ask (i32.const 128) (i32.const 13)) (call $digit (i32.load (i32.load (i32.const 64))))
             (call $ask (i32.const 160) (i32.const 16))
             (call $ask (i32.const 192) (i32.const 12)) (call $log_result)
             (call $ask (i32.const 224) (i32.const 22)) (call $digit (i32.load (i32.load (i32.const 64))))
             (i32.const 0))"#,
    );
    let worker = host.start_worker();
    let spec = RootSpec::new("http").direction(evenkeel_test_host::Direction::Inbound);
    let root = worker.configure(&spec);
    let connection = worker.accept();
    connection.set_property(&["upstream", "address"], "10.0.0.9:80");
    root.stream(&connection).request_headers(&REQUEST, true);
    assert_eq!(logged(&host), format!("0{}10/a?b01", connection.id()));
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
