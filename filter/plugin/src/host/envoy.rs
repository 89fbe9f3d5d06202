//! The hostcalls of Envoy: the proxy-wasm ABI 0.2.1, and one function of WASI.
//!
//! The SDK's wrappers panic on a status that they do not expect, so the imports are declared here.

#![expect(
    unsafe_code,
    reason = "imports of the host are unsafe to call; each wrapper here passes pointers to memory that it \
              owns or borrows for the length of the call, and takes over what the host allocated with `malloc`"
)]

use core::ptr;
use core::time::Duration;

use evenkeel_engine::Instant;

use super::{Buffer, Headers, Host, HostResult, Level, MetricKind, Response, Status};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, len: usize) -> u32;
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        len: usize,
    ) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
        token: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        token: u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, len: usize, metric: *mut u32) -> u32;
    fn proxy_increment_metric(metric: u32, by: i64) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_len: usize,
        headers: *const u8,
        headers_len: usize,
        body: *const u8,
        body_len: usize,
        trailers: *const u8,
        trailers_len: usize,
        timeout: u32,
        token: *mut u32,
    ) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    /// Envoy's `monotonicTime()` for clock 1, registered for every module.
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
}

/// WASI's `clockid::monotonic`.
const MONOTONIC: u32 = 1;

/// The ABI's stream type of a downstream connection.
const DOWNSTREAM: u32 = 2;

/// The ABI's "not a gRPC response".
const NO_GRPC_STATUS: i32 = -1;

/// The Envoy that runs the module.
#[derive(Debug)]
pub(super) struct Envoy;

/// A status as a result.
fn succeeded(status: u32) -> HostResult {
    match status {
        0 => Ok(()),
        status => Err(Status(status)),
    }
}

/// Runs a hostcall that gives bytes, in memory that it has had `malloc` allocate.
fn bytes(call: impl FnOnce(&mut *mut u8, &mut usize) -> u32) -> HostResult<Vec<u8>> {
    let (mut data, mut len) = (ptr::null_mut(), 0);
    succeeded(call(&mut data, &mut len))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the host allocated `len` bytes with `malloc` of `exports.rs`, whose layout is that of a Vec of
    // that capacity, has written them all, and knows of them no more.
    Ok(unsafe { Vec::from_raw_parts(data, len, len) })
}

/// A header map as the ABI lays it out: the count, all lengths, then all strings, each behind a NUL.
fn header_map(headers: &[(&str, &str)]) -> Vec<u8> {
    let number = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    let mut map = number(headers.len()).to_vec();
    for (name, value) in headers {
        map.extend(number(name.len()));
        map.extend(number(value.len()));
    }
    for (name, value) in headers {
        for text in [name, value] {
            map.extend_from_slice(text.as_bytes());
            map.push(0);
        }
    }
    map
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

// SAFETY, for all below: every pointer is to a value or slice that lives until the call returns, and its
// length is the slice's.
impl Host for Envoy {
    fn log(&self, level: Level, message: &str) {
        let _ = unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
    }

    fn log_level(&self) -> HostResult<u32> {
        let mut level = 0;
        succeeded(unsafe { proxy_get_log_level(&raw mut level) })?;
        Ok(level)
    }

    fn monotonic_time(&self) -> HostResult<Instant> {
        let mut time = 0;
        succeeded(unsafe { clock_time_get(MONOTONIC, 1, &raw mut time) })?;
        Ok(Instant::from_nanos(time))
    }

    fn wall_clock(&self) -> HostResult<u64> {
        let mut time = 0;
        succeeded(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
        Ok(time)
    }

    fn set_tick_period(&self, period: Duration) -> HostResult {
        succeeded(unsafe { proxy_set_tick_period_milliseconds(milliseconds(period)) })
    }

    fn buffer(&self, buffer: Buffer, start: usize, len: usize) -> HostResult<Vec<u8>> {
        bytes(|data, size| unsafe { proxy_get_buffer_bytes(buffer as u32, start, len, data, size) })
    }

    fn set_buffer(&self, buffer: Buffer, start: usize, len: usize, bytes: &[u8]) -> HostResult {
        succeeded(unsafe {
            proxy_set_buffer_bytes(buffer as u32, start, len, bytes.as_ptr(), bytes.len())
        })
    }

    fn property(&self, path: &[&str]) -> HostResult<Vec<u8>> {
        let path = path.join("\0");
        bytes(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
    }

    fn set_property(&self, name: &str, value: &[u8]) -> HostResult {
        succeeded(unsafe {
            proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len())
        })
    }

    fn header(&self, headers: Headers, name: &str) -> HostResult<Vec<u8>> {
        bytes(|data, size| unsafe {
            proxy_get_header_map_value(headers as u32, name.as_ptr(), name.len(), data, size)
        })
    }

    fn set_header(&self, headers: Headers, name: &str, value: &str) -> HostResult {
        succeeded(unsafe {
            proxy_replace_header_map_value(
                headers as u32,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    fn shared_data(&self, key: &str) -> HostResult<(Vec<u8>, u32)> {
        let mut token = 0;
        let value = bytes(|data, size| unsafe {
            proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut token)
        })?;
        Ok((value, token))
    }

    fn set_shared_data(&self, key: &str, value: &[u8], token: u32) -> HostResult {
        succeeded(unsafe {
            proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), token)
        })
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> HostResult<u32> {
        let mut metric = 0;
        succeeded(unsafe {
            proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut metric)
        })?;
        Ok(metric)
    }

    fn increment_metric(&self, metric: u32, by: i64) -> HostResult {
        succeeded(unsafe { proxy_increment_metric(metric, by) })
    }

    fn set_effective_context(&self, context: u32) -> HostResult {
        succeeded(unsafe { proxy_set_effective_context(context) })
    }

    fn close_downstream(&self) -> HostResult {
        succeeded(unsafe { proxy_close_stream(DOWNSTREAM) })
    }

    fn send_response(&self, response: Response<'_>) -> HostResult {
        let headers = header_map(response.headers);
        succeeded(unsafe {
            proxy_send_local_response(
                response.status,
                ptr::null(),
                0,
                response.body.as_ptr(),
                response.body.len(),
                headers.as_ptr(),
                headers.len(),
                response.grpc_status.unwrap_or(NO_GRPC_STATUS),
            )
        })
    }

    fn http_call(&self, cluster: &str, headers: &[(&str, &str)], timeout: Duration) -> HostResult {
        let (headers, trailers) = (header_map(headers), header_map(&[]));
        let mut token = 0;
        succeeded(unsafe {
            proxy_http_call(
                cluster.as_ptr(),
                cluster.len(),
                headers.as_ptr(),
                headers.len(),
                ptr::null(),
                0,
                trailers.as_ptr(),
                trailers.len(),
                milliseconds(timeout),
                &raw mut token,
            )
        })
    }
}
