//! Connections in the test host: bytes, closes and properties.

mod guest;

use evenkeel_test_host::{ClosedBy, Connection, Host, Root, RootSpec};
use guest::{host, logged};
use std::time::Duration;

fn connect(host: &Host) -> (Root, Connection) {
    let root = host.start_worker().configure(&RootSpec::new("network"));
    let connection = root.connect();
    (root, connection)
}

/// A guest that sets one buffer to `<>` at (start, len) and logs the status.
fn edit(callback: &str, kind: u32, start: u32, len: u32) -> String {
    format!(
        r#"(data (i32.const 128) "<>")
           (func (export "{callback}") (param i32 i32 i32) (result i32)
             (call $digit (call $set_buffer (i32.const {kind}) (i32.const {start}) (i32.const {len})
               (i32.const 128) (i32.const 2)))
             (i32.const 0))"#
    )
}

#[test]
fn write_is_edited_by_the_rules_of_envoy() {
    let cases = [
        (0, 0, "<>body", "0"),
        (0, 4, "<>", "0"),
        (0, 9, "<>", "0"),
        (4, 0, "body<>", "0"),
        (9, 0, "body<>", "0"),
        (0, 3, "body", "2"),
        (1, 0, "body", "2"),
        (3, 1, "body", "2"),
    ];
    for (start, len, leaves, status) in cases {
        let host = host(&edit("proxy_on_upstream_data", 3, start, len));
        let (_, connection) = connect(&host);
        assert_eq!(
            connection.server_writes("body"),
            leaves.as_bytes(),
            "start {start}, len {len}"
        );
        assert_eq!(logged(&host), status, "start {start}, len {len}");
    }
}

#[test]
fn read_is_edited_before_the_next_filter_gets_it() {
    let host = host(&edit("proxy_on_downstream_data", 2, 0, 0));
    let (_, connection) = connect(&host);
    assert_eq!(connection.client_sends("body"), b"<>body");
}

/// Logs the read buffer at each read, and a slash.
const READER: &str = r#"
  (func (export "proxy_on_downstream_data") (param i32) (param $size i32) (param i32) (result i32)
    (drop (call $get_buffer (i32.const 2) (i32.const 0) (local.get $size) (i32.const 64) (i32.const 68)))
    (call $log_result) (call $mark (i32.const 47))
    (i32.const 0))"#;

#[test]
fn bytes_that_the_next_filter_leaves_precede_later_bytes() {
    let host = host(READER);
    let (_, connection) = connect(&host);
    connection.next_filter_takes(Some(2));

    assert_eq!(connection.client_sends("abc"), b"ab");
    assert_eq!(connection.client_sends("de"), b"cd");
    connection.next_filter_takes(None);
    assert_eq!(connection.next_filter_reads_again(), b"e");

    assert_eq!(logged(&host), "abc/cde/e/");
}

#[test]
fn buffer_is_empty_outside_its_callback() {
    let host = host(
        r#"(global $id (mut i32) (i32.const 0))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_every (i32.const 1000))) (i32.const 1))
           (func (export "proxy_on_upstream_data") (param $id i32) (param i32 i32) (result i32)
             (global.set $id (local.get $id)) (i32.const 0))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $set_effective (global.get $id)))
             (call $digit (call $get_buffer (i32.const 3) (i32.const 0) (i32.const 9)
               (i32.const 64) (i32.const 68)))
             (call $digit (i32.load (i32.const 68)))
             (call $digit (call $set_buffer (i32.const 3) (i32.const 0) (i32.const 0)
               (i32.const 0) (i32.const 1))))"#,
    );
    let (_, connection) = connect(&host);
    connection.server_writes("body");
    host.advance(Duration::from_secs(1));
    assert_eq!(logged(&host), "002");
}

/// Marks each callback of a connection, and closes connections 2, 3, .. from a tick.
fn closer(count: u32) -> String {
    let closes: String = (2..2 + count)
        .map(|id| {
            format!("(call $digit (call $set_effective (i32.const {id}))) (call $digit (call $close (i32.const 2)))")
        })
        .collect();
    format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_every (i32.const 1000))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32) {closes} (call $mark (i32.const 116)))
           (func (export "proxy_on_downstream_connection_close") (param i32) (param $peer i32)
             (call $mark (i32.const 99)) (call $digit (local.get $peer)))
           (func (export "proxy_on_delete") (param i32) (call $mark (i32.const 120)))"#
    )
}

#[test]
fn close_from_a_tick_follows_the_tick() {
    let host = host(&closer(1));
    let (_, connection) = connect(&host);
    host.advance(Duration::from_millis(999));
    assert!(connection.is_open());
    host.advance(Duration::from_millis(1));
    assert_eq!(logged(&host), "00tc1x");
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    assert_eq!(connection.server_writes("late"), b"");
}

#[test]
fn deleted_context_cannot_become_effective() {
    let host = host(&closer(1));
    let (_, connection) = connect(&host);
    connection.client_closes();
    assert_eq!(logged(&host), "c2x");
    host.advance(Duration::from_secs(1));
    assert_eq!(
        logged(&host),
        "c2x20t",
        "the context is then the root, which has no connection"
    );
}

#[test]
fn closes_of_one_tick_nest() {
    let host = host(&closer(3));
    let worker = host.start_worker();
    let root = worker.configure(&RootSpec::new("network"));
    let connections: Vec<Connection> = (0..3).map(|_| root.connect()).collect();
    assert_eq!(worker.deepest_nesting(), 1);
    host.advance(Duration::from_secs(1));
    assert!(
        connections
            .iter()
            .all(|connection| connection.closed_by() == Some(ClosedBy::Module))
    );
    assert_eq!(logged(&host), "000000tc1c1c1xxx");
    assert_eq!(worker.deepest_nesting(), 4);
}

#[test]
#[should_panic(expected = "Envoy loses the bytes of the write")]
fn close_during_a_write_fails_the_test() {
    let host = host(
        r#"(func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32)
             (drop (call $close (i32.const 2))) (i32.const 0))"#,
    );
    connect(&host).1.server_writes("body");
}

#[test]
#[should_panic(expected = "paused a write")]
fn paused_write_fails_the_test() {
    let host = host(
        r#"(func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    );
    connect(&host).1.server_writes("body");
}

#[test]
#[should_panic(expected = "paused a read")]
fn paused_read_fails_the_test() {
    let host = host(
        r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    );
    connect(&host).1.client_sends("body");
}

#[test]
fn close_from_a_read_discards_its_bytes() {
    let host = host(
        r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
             (drop (call $close (i32.const 2))) (i32.const 0))"#,
    );
    let (_, connection) = connect(&host);
    assert_eq!(connection.client_sends("body"), b"");
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

#[test]
fn property_belongs_to_the_connection_or_the_root() {
    let host = host(
        r#"(data (i32.const 128) "connection\00id") (data (i32.const 160) "xds\00node\00id")
           (data (i32.const 192) "upstream\00address") (data (i32.const 224) "node\00id")
           (func $ask (param $path i32) (param $len i32)
             (call $digit (call $get_property (local.get $path) (local.get $len)
               (i32.const 64) (i32.const 68))))
           (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
             (call $ask (i32.const 128) (i32.const 13)) (call $digit (i32.load (i32.load (i32.const 64))))
             (call $digit (i32.load (i32.const 68)))
             (call $ask (i32.const 160) (i32.const 11)) (call $log_result)
             (call $ask (i32.const 224) (i32.const 7))
             (call $ask (i32.const 192) (i32.const 16))
             (i32.const 0))"#,
    );
    let root = host
        .start_worker()
        .configure(&RootSpec::new("network").node_id("router~a"));
    let connection = root.connect();
    connection.client_sends("");
    assert_eq!(logged(&host), format!("0{}80router~a11", connection.id()));

    connection.set_property(&["upstream", "address"], "10.0.0.9:80");
    connection.hide_property(&["connection", "id"]);
    let before = logged(&host).len();
    connection.client_sends("");
    assert_eq!(logged(&host)[before..].chars().next(), Some('1'), "hidden");
    assert!(
        logged(&host).ends_with("router~a10"),
        "the first is unknown, the second is set"
    );
}

#[test]
fn module_without_callbacks_costs_nothing() {
    let host = host("");
    let (_, connection) = connect(&host);
    assert_eq!(connection.client_sends("ab"), b"ab");
    assert_eq!(connection.server_writes("cd"), b"cd");
    connection.client_closes();
    assert_eq!(host.counts(), evenkeel_test_host::Counts::default());
}

#[test]
fn result_with_bytes_costs_an_allocation() {
    let host = host(READER);
    let (_, connection) = connect(&host);
    let before = host.counts();
    connection.client_sends("abc");
    connection.client_sends("");
    let cost = host.counts() - before;
    assert_eq!(cost.entry("proxy_on_downstream_data"), 2);
    assert_eq!(cost.hostcall("proxy_get_buffer_bytes"), 2);
    assert_eq!((cost.allocations, cost.bytes_in), (1, 3));
    assert!(
        cost.to_string().contains("proxy_get_buffer_bytes"),
        "{cost}"
    );
}

#[test]
fn memory_is_that_of_the_instance() {
    let host = host(
        r#"(func (export "proxy_on_tick") (param i32) (drop (memory.grow (i32.const 2))))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_every (i32.const 1000))) (i32.const 1))"#,
    );
    let worker = host.start_worker();
    worker.configure(&RootSpec::new("network"));
    assert_eq!(worker.memory_bytes(), 65_536);
    host.advance(Duration::from_secs(1));
    assert_eq!(worker.memory_bytes(), 3 * 65_536);
}
