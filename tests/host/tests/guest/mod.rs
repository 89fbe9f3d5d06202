//! Modules in text format.
#![allow(dead_code)]

use evenkeel_test_host::Host;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// The imports, the memory and the allocator of every guest. Bytes 0 to 127 are scratch: the pointer and the size of a
/// result are at 64 and 68.
const PRELUDE: &str = r#"
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define_metric (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick_every (param i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $set_effective (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
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
  ;; Logs the bytes of the last result.
  (func $log_result
    (drop (call $log (i32.const 2) (i32.load (i32.const 64)) (i32.load (i32.const 68)))))
"#;

/// Creates a host for a guest with these functions.
pub fn host(functions: &str) -> Host {
    Host::new(&file(&format!("(module {PRELUDE} {functions})")))
}

/// Creates a host for a complete module.
pub fn bare(module: &str) -> Host {
    Host::new(&file(module))
}

/// Returns the log as one string.
pub fn logged(host: &Host) -> String {
    host.log().into_iter().map(|line| line.text).collect()
}

fn file(text: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    // Tests with the same text may run in parallel: each writes its own file and renames it.
    let path = directory.join(format!("{:016x}.wasm", hasher.finish()));
    let bytes = wat::parse_str(text).expect("the text is a module");
    let fresh = directory.join(format!(
        "{:016x}-{}-{:?}",
        hasher.finish(),
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&fresh, bytes).expect("the directory is writable");
    std::fs::rename(&fresh, &path).expect("the file is renamed");
    path
}
