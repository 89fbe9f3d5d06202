//! Roots, time, shared data, metrics and calls in the test host.

mod guest;

use evenkeel_test_host::{Host, RootSpec};
use guest::{bare, host, logged};
use std::time::Duration;

/// Ticks every `first` milliseconds as the first root of its VM, every `other` as a later one, and
/// marks with its context id.
fn ticker(first: u32, other: u32) -> String {
    format!(
        r#"(func (export "proxy_on_configure") (param $id i32) (param i32) (result i32)
             (drop (call $tick_every (select (i32.const {first}) (i32.const {other})
               (i32.eq (local.get $id) (i32.const 1)))))
             (i32.const 1))
           (func (export "proxy_on_tick") (param $id i32) (call $digit (local.get $id)))"#
    )
}

#[test]
fn each_root_ticks_by_its_own_period_in_the_order_of_time() {
    let host = host(&ticker(1000, 400));
    let worker = host.start_worker();
    worker.configure(&RootSpec::new("slow"));
    worker.configure(&RootSpec::new("quick"));
    host.advance(Duration::from_millis(399));
    assert_eq!(logged(&host), "");
    host.advance(Duration::from_millis(1601));
    assert_eq!(
        logged(&host),
        "2212212",
        "at 0.4, 0.8, 1.0, 1.2, 1.6, 2.0 and again 2.0"
    );
}

#[test]
fn all_workers_and_the_main_thread_tick() {
    let host = host(&ticker(1000, 1000));
    host.start_main_thread();
    host.start_worker();
    host.configure(&RootSpec::new("plugin"));
    host.advance(Duration::from_secs(2));
    let who: Vec<usize> = host.log().iter().map(|line| line.worker).collect();
    assert_eq!(who, [0, 1, 0, 1]);
}

#[test]
#[should_panic(expected = "the main thread serves no traffic")]
fn main_thread_serves_no_traffic() {
    let host = host("");
    host.start_main_thread()
        .configure(&RootSpec::new("plugin"))
        .connect();
}

#[test]
fn timers_use_the_monotonic_clock() {
    let host = host(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_every (i32.const 1000))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $time (i32.const 64)))
             (call $digit (i32.wrap_i64 (i64.div_u (i64.load (i32.const 64)) (i64.const 1000000000)))))"#,
    );
    host.start_worker().configure(&RootSpec::new("plugin"));
    host.set_wall_clock(Duration::from_secs(7));
    host.advance(Duration::from_secs(1));
    host.set_wall_clock(Duration::from_secs(2));
    host.advance(Duration::from_secs(2));
    assert_eq!(logged(&host), "834");
    assert_eq!(host.now(), Duration::from_secs(4));
}

#[test]
fn configuration_is_available_in_its_callback_only() {
    let host = host(
        r#"(func $ask (call $mark (i32.const 47))
             (call $digit (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 99)
               (i32.const 64) (i32.const 68))))
           (func (export "proxy_on_configure") (param i32) (param $size i32) (result i32)
             (call $ask) (call $log_result) (call $digit (local.get $size))
             (drop (call $tick_every (i32.const 1000))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32) (call $ask))"#,
    );
    host.start_worker()
        .configure(&RootSpec::new("plugin").config("{}"));
    host.advance(Duration::from_secs(1));
    assert_eq!(logged(&host), "/0{}2/1");
}

#[test]
#[should_panic(expected = "the module rejected the configuration of `plugin`")]
fn rejected_configuration_fails_the_test() {
    let host =
        host(r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))"#);
    host.start_worker().configure(&RootSpec::new("plugin"));
}

/// Marks the creation and the deletion of contexts with their ids.
const CONTEXTS: &str = r#"
  (func (export "proxy_on_context_create") (param $id i32) (param $root i32)
    (call $mark (i32.const 43)) (call $digit (local.get $id)) (call $digit (local.get $root)))
  (func (export "proxy_on_delete") (param $id i32)
    (call $mark (i32.const 120)) (call $digit (local.get $id)))"#;

#[test]
fn replaced_root_lives_as_long_as_its_connections() {
    let host = host(CONTEXTS);
    let worker = host.start_worker();
    let old = worker.configure(&RootSpec::new("plugin").config("1"));
    let connection = old.connect();
    let new = worker.configure(&RootSpec::new("plugin").config("2"));
    new.connect();
    old.drop_root();
    assert_eq!(logged(&host), "+10+21+30+43");
    connection.client_closes();
    assert_eq!(logged(&host), "+10+21+30+43x2x1");
}

/// Reads `key` and writes it back under the version read, twice: the second one is out of date.
const SHARED: &str = r#"
  (data (i32.const 128) "keyone")
  (func $get (call $digit (call $get_shared (i32.const 128) (i32.const 3)
    (i32.const 64) (i32.const 68) (i32.const 72))))
  (func $set (param $cas i32) (call $digit (call $set_shared (i32.const 128) (i32.const 3)
    (i32.const 131) (i32.const 3) (local.get $cas))))
  (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
    (call $get) (if (i32.load (i32.const 72)) (then (call $log_result)))
    (call $set (i32.load (i32.const 72)))
    (call $set (i32.load (i32.const 72)))
    (call $set (i32.const 0))
    (i32.const 0))"#;

#[test]
fn shared_data_is_one_map_with_compare_and_swap() {
    let host = host(SHARED);
    host.start_worker()
        .configure(&RootSpec::new("plugin"))
        .connect()
        .client_sends("");
    assert_eq!(logged(&host), "1000", "the key is missing");
    host.start_worker()
        .configure(&RootSpec::new("plugin"))
        .connect()
        .client_sends("");
    assert_eq!(
        logged(&host),
        "10000one080",
        "another worker reads what the first one wrote"
    );
    assert_eq!(host.shared_data("key").as_deref(), Some(b"one".as_slice()));
}

#[test]
fn missing_key_accepts_any_version() {
    let host = host(
        r#"(data (i32.const 128) "key")
           (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
             (call $digit (call $get_shared (i32.const 128) (i32.const 3)
               (i32.const 64) (i32.const 68) (i32.const 72)))
             (call $digit (call $set_shared (i32.const 128) (i32.const 3)
               (i32.const 128) (i32.const 3) (i32.const 9)))
             (i32.const 0))"#,
    );
    host.start_worker()
        .configure(&RootSpec::new("plugin"))
        .connect()
        .client_sends("");
    assert_eq!(logged(&host), "10");
}

/// Defines a metric of a kind at configuration, and increments it by a number per connection.
fn metric(kind: u32, offset: i64) -> String {
    format!(
        r#"(data (i32.const 128) "metric")
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $define_metric (i32.const {kind}) (i32.const 128) (i32.const 6) (i32.const 72)))
             (i32.const 1))
           (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
             (call $digit (call $increment (i32.load (i32.const 72)) (i64.const {offset})))
             (i32.const 0))"#
    )
}

#[test]
fn workers_share_the_value_of_a_metric() {
    let host = host(&metric(0, 2));
    for _ in 0..2 {
        host.start_worker()
            .configure(&RootSpec::new("plugin"))
            .connect()
            .client_sends("");
    }
    assert_eq!(host.metric("metric"), Some(4));
    assert_eq!(host.metric("other"), None);
}

#[test]
fn counter_rejects_an_increment_of_zero() {
    let host = host(&metric(0, 0));
    host.start_worker()
        .configure(&RootSpec::new("plugin"))
        .connect()
        .client_sends("");
    assert_eq!(logged(&host), "2");
}

#[test]
#[should_panic(expected = "decremented the gauge `metric` below zero")]
fn gauge_below_zero_fails_the_test() {
    let host = host(&metric(1, -1));
    host.start_worker()
        .configure(&RootSpec::new("plugin"))
        .connect()
        .client_sends("");
}

const CRASHER: &str = r#"
  (data (i32.const 128) "panicked at 'sums'")
  (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
    (drop (call $log (i32.const 5) (i32.const 128) (i32.const 18)))
    unreachable)"#;

#[test]
#[should_panic(expected = "panicked at 'sums'")]
fn crash_fails_the_test_with_the_log() {
    let host = host(CRASHER);
    host.start_worker()
        .configure(&RootSpec::new("plugin"))
        .connect()
        .client_sends("a");
}

#[test]
#[should_panic(expected = "the test host does not have: env.proxy_guess, proxy_on_guess")]
fn unknown_imports_and_callbacks_are_named() {
    bare(
        r#"(module (import "env" "proxy_guess" (func (param i32) (result i32)))
             (func (export "proxy_abi_version_0_2_1")) (func (export "proxy_on_guess")))"#,
    )
    .start_worker();
}

#[test]
#[should_panic(expected = "is not a proxy-wasm module of ABI 0.2")]
fn module_of_another_abi_is_rejected() {
    bare("(module)");
}

/// Calls `cluster` at configuration with :path, :method and :authority, and logs the response.
fn caller() -> Host {
    let pairs = r"\03\00\00\00\05\00\00\00\01\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\01\00\00\00:path\00/\00:method\00GET\00:authority\00a\00";
    host(&format!(
        r#"(data (i32.const 128) "cluster") (data (i32.const 160) "{pairs}") (data (i32.const 300) ":status")
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $digit (call $http_call (i32.const 128) (i32.const 7) (i32.const 160) (i32.const 61)
               (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 72)))
             (i32.const 1))
           (func (export "proxy_on_http_call_response")
             (param i32) (param $token i32) (param $headers i32) (param $body i32) (param i32)
             (call $digit (i32.eq (local.get $token) (i32.load (i32.const 72))))
             (call $digit (local.get $headers)) (call $digit (local.get $body))
             (call $digit (call $header (i32.const 6) (i32.const 300) (i32.const 7)
               (i32.const 64) (i32.const 68)))
             (if (local.get $headers) (then (call $log_result)))
             (call $digit (call $get_buffer (i32.const 4) (i32.const 0) (i32.const 9)
               (i32.const 64) (i32.const 68)))
             (if (local.get $body) (then (call $log_result))))"#
    ))
}

#[test]
fn test_responds_to_a_call() {
    let host = caller();
    host.add_cluster("cluster");
    let worker = host.start_worker();
    worker.configure(&RootSpec::new("plugin"));
    let call = host.http_calls().remove(0);
    assert_eq!(
        (call.cluster().as_str(), call.timeout()),
        ("cluster", Duration::from_secs(1))
    );
    assert_eq!(call.headers()[0], (":path".to_owned(), "/".to_owned()));
    call.respond(&[(":status", "200")], "ok");
    assert_eq!(logged(&host), "011202000ok");
    assert!(host.http_calls().is_empty());

    worker.configure(&RootSpec::new("plugin"));
    host.http_calls().remove(0).fail();
    assert_eq!(
        logged(&host),
        "011202000ok010021",
        "neither headers nor a body"
    );
}

#[test]
fn call_to_an_unknown_cluster_fails() {
    let host = caller();
    host.start_worker().configure(&RootSpec::new("plugin"));
    assert_eq!(logged(&host), "2");
    assert!(host.http_calls().is_empty());
}
