//! Modules in text form, so that a test shows what it runs.
#![allow(dead_code)]

use evenkeel_test_host::Host;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// What every guest has: the imports that a test may use, a memory, an allocator that never frees.
/// Bytes 0 to 127 are scratch: an answer's pointer and size lie at 64 and 68.
const PRELUDE: &str = r#"
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define_metric (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick_every (param i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $speak_as (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $resume (param i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 4096))
  (func (export "malloc") (param $size i32) (result i32)
    (global.set $heap (i32.add (global.get $heap) (local.get $size)))
    (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.const 1)))))
    (i32.sub (global.get $heap) (local.get $size)))
  (func (export "proxy_abi_version_0_2_1"))

  ;; Logs one letter.
  (func $mark (param $letter i32)
    (i32.store8 (i32.const 32) (local.get $letter))
    (drop (call $log (i32.const 2) (i32.const 32) (i32.const 1))))
  ;; Logs a status as one digit.
  (func $digit (param $number i32) (call $mark (i32.add (i32.const 48) (local.get $number))))
  ;; Logs the last answer's bytes.
  (func $tell
    (drop (call $log (i32.const 2) (i32.load (i32.const 64)) (i32.load (i32.const 68)))))
"#;

/// A host for a guest whose callbacks are `functions`.
pub fn host(functions: &str) -> Host {
    Host::new(&file(&format!("(module {PRELUDE} {functions})")))
}

/// A host for a whole module.
pub fn bare(module: &str) -> Host {
    Host::new(&file(module))
}

/// All that was logged, in one string: the order of callbacks, a letter each.
pub fn story(host: &Host) -> String {
    host.log().into_iter().map(|line| line.text).collect()
}

fn file(text: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    // Tests of one text may run at once: each writes a file of its own and renames it into place.
    let path = directory.join(format!("{:016x}.wasm", hasher.finish()));
    let bytes = wat::parse_str(text).expect("the text is a module");
    let fresh = directory.join(format!(
        "{:016x}-{}-{:?}",
        hasher.finish(),
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&fresh, bytes).expect("the directory is cargo's own for this");
    std::fs::rename(&fresh, &path).expect("a rename in one directory");
    path
}
