//! The interface to the host: the only way by which the plugin reaches Envoy.
//!
//! [`Host`] has one implementation that calls the host (`host/envoy.rs`) and a fake for unit tests. Every
//! call returns an error where the host refuses: no status makes the module panic.
//!
//! A hostcall that returns bytes costs the proxy 0.7 to 0.9 us, because the host re-enters the module to
//! allocate them; one that returns a number about 0.1 us.

#[cfg(not(test))]
mod envoy;
#[cfg(not(test))]
mod exports;
#[cfg(test)]
pub(crate) mod fake;

use core::fmt;
use core::time::Duration;

use evenkeel_engine::{BucketId, BucketStore, Instant};
use evenkeel_wire::ByteSource;

/// The status of a hostcall that did not succeed, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u32);

/// The status where there is no such value.
pub(crate) const NOT_FOUND: Status = Status(1);

/// The result of a hostcall.
pub(crate) type HostResult<T = ()> = Result<T, Status>;

/// The severity of a log line, with the ABI's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Debug = 1,
    #[default]
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// Which bytes [`Host::buffer`] reads, with the ABI's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffer {
    /// The bytes from the client.
    Downstream = 2,
    /// The bytes from the server.
    Upstream = 3,
    HttpCallResponse = 4,
    PluginConfiguration = 7,
}

/// Which headers [`Host::header`] reads, with the ABI's numbers. Only in the callbacks that are about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    Request = 0,
    Response = 2,
    HttpCallResponse = 6,
}

/// The kind of a metric, with the ABI's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    Counter = 0,
    Gauge = 1,
}

/// A local reply of the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    pub(crate) status: u32,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The body; for gRPC the message.
    pub(crate) body: &'a str,
    pub(crate) grpc_status: Option<i32>,
}

/// gRPC's UNAVAILABLE: the client may call again.
pub(crate) const GRPC_UNAVAILABLE: i32 = 14;

/// How often a worker tries to change a shared value while other workers are faster.
const UPDATE_ATTEMPTS: usize = 8;

/// The hostcalls that the module uses.
pub(crate) trait Host: fmt::Debug {
    fn log(&self, level: Level, message: &str);

    /// The number of the lowest level that the host logs: hosts have levels that [`Level`] does not have.
    fn log_level(&self) -> HostResult<u32>;

    /// The process's monotonic clock, which is the same for all workers.
    fn monotonic_time(&self) -> HostResult<Instant>;

    /// The wall clock, in nanoseconds: a seed, never a time to compare.
    fn wall_clock(&self) -> HostResult<u64>;

    /// Sets the tick interval of the current root context.
    fn set_tick_period(&self, period: Duration) -> HostResult;

    fn buffer(&self, buffer: Buffer, start: usize, len: usize) -> HostResult<Vec<u8>>;

    /// Replaces `len` bytes from `start`. Envoy can only prepend (0, 0), append (at the end) and replace
    /// the whole.
    fn set_buffer(&self, buffer: Buffer, start: usize, len: usize, bytes: &[u8]) -> HostResult;

    fn property(&self, path: &[&str]) -> HostResult<Vec<u8>>;

    /// Sets a property of the current connection or stream, for all filters and VMs that see it.
    fn set_property(&self, name: &str, value: &[u8]) -> HostResult;

    fn header(&self, headers: Headers, name: &str) -> HostResult<Vec<u8>>;

    fn set_header(&self, headers: Headers, name: &str, value: &str) -> HostResult;

    /// A value that all workers of the process share, and a token that changes with it.
    fn shared_data(&self, key: &str) -> HostResult<(Vec<u8>, u32)>;

    /// Sets a shared value if `token` is still its token. If there is no value yet, any token is accepted.
    fn set_shared_data(&self, key: &str, value: &[u8], token: u32) -> HostResult;

    fn define_metric(&self, kind: MetricKind, name: &str) -> HostResult<u32>;

    fn increment_metric(&self, metric: u32, by: i64) -> HostResult;

    /// Makes `context` the current one for the following hostcalls.
    fn set_effective_context(&self, context: u32) -> HostResult;

    /// Closes the downstream connection of the current network context, after the bytes that are already written.
    fn close_downstream(&self) -> HostResult;

    /// Sends a local reply to the current request, once the callback has returned.
    fn send_response(&self, response: Response<'_>) -> HostResult;

    /// Sends a GET to one of the host's clusters; the response comes to the current root context.
    fn http_call(&self, cluster: &str, headers: &[(&str, &str)], timeout: Duration) -> HostResult;
}

impl dyn Host + '_ {
    /// A property's bytes; empty if the host has none.
    pub(crate) fn property_or_empty(&self, path: &[&str]) -> Vec<u8> {
        self.property(path).unwrap_or_default()
    }

    /// Whether a property may have a value: it is not known to have none.
    pub(crate) fn has_property(&self, path: &[&str]) -> bool {
        match self.property(path) {
            Ok(value) => !value.is_empty(),
            Err(status) => status != NOT_FOUND,
        }
    }

    /// A property that is a number of 64 bits.
    pub(crate) fn number(&self, path: &[&str]) -> Option<u64> {
        let bytes = self.property(path).ok()?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    /// A header field of the current request; empty if there is none.
    pub(crate) fn request_header(&self, name: &str) -> Vec<u8> {
        self.header(Headers::Request, name).unwrap_or_default()
    }

    /// A header field of the current response; empty if there is none.
    pub(crate) fn response_header(&self, name: &str) -> Vec<u8> {
        self.header(Headers::Response, name).unwrap_or_default()
    }

    /// Closes the downstream connection of a network context, in any callback.
    pub(crate) fn close(&self, context: u32) {
        if self.set_effective_context(context).is_ok() {
            let _ = self.close_downstream();
        }
    }

    /// Ends the stream of an HTTP context with the gRPC status UNAVAILABLE, once the callback has returned. In the middle
    /// of a response the host can only reset the stream.
    pub(crate) fn end_unavailable(&self, context: u32, message: &str) {
        if self.set_effective_context(context).is_ok() {
            let _ = self.send_response(Response {
                status: 200,
                body: message,
                grpc_status: Some(GRPC_UNAVAILABLE),
                ..Response::default()
            });
        }
    }

    /// Responds to the current request with status 400 and no body.
    pub(crate) fn respond_bad_request(&self) {
        let _ = self.send_response(Response {
            status: 400,
            ..Response::default()
        });
    }

    /// Responds to the current request with JSON.
    pub(crate) fn respond_json(&self, body: &str) {
        let headers = [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
        ];
        let _ = self.send_response(Response {
            status: 200,
            headers: &headers,
            body,
            ..Response::default()
        });
    }

    /// The body of the response to a call, with this number of headers and a body of `size` bytes; None if the status is
    /// not 200. A call that failed has no headers.
    pub(crate) fn http_call_response(&self, headers: usize, size: usize) -> Option<Vec<u8>> {
        if headers == 0 {
            return None;
        }
        let status = self.header(Headers::HttpCallResponse, ":status").ok()?;
        (status == b"200").then(|| {
            self.buffer(Buffer::HttpCallResponse, 0, size)
                .unwrap_or_default()
        })
    }

    /// A value that all workers share, and a token that changes with it.
    pub(crate) fn shared(&self, key: &str) -> (Option<Vec<u8>>, u32) {
        match self.shared_data(key) {
            Ok((value, token)) => (Some(value), token),
            Err(_) => (None, 0),
        }
    }

    /// Sets a shared value if `token` is still its token. If there is no value yet, the last worker that sets one wins.
    pub(crate) fn share(&self, key: &str, value: &[u8], token: u32) -> bool {
        self.set_shared_data(key, value, token).is_ok()
    }

    /// Changes a shared value by compare-and-swap. `change` returns the new value for the stored one, and a result;
    /// it runs again if another worker was faster. None if `change` returns None, or fails to be first each time.
    pub(crate) fn update_shared<T>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<Vec<u8>>) -> Option<(Vec<u8>, T)>,
    ) -> Option<T> {
        for _ in 0..UPDATE_ATTEMPTS {
            let (held, token) = self.shared(key);
            let (value, result) = change(held)?;
            if self.share(key, &value, token) {
                return Some(result);
            }
        }
        None
    }
}

/// The bytes of the current network callback.
pub(crate) struct Bytes<'h> {
    host: &'h dyn Host,
    buffer: Buffer,
    len: usize,
}

impl<'h> Bytes<'h> {
    pub(crate) fn new(host: &'h dyn Host, buffer: Buffer, len: usize) -> Self {
        Self { host, buffer, len }
    }

    /// Replaces `len` bytes from offset `at` with `replacement`. The host can prepend, append, and replace the whole; only
    /// in between are the bytes copied.
    pub(crate) fn splice(&mut self, at: usize, len: usize, replacement: &[u8]) {
        let done = if at >= self.len || (at == 0 && (len == 0 || len == self.len)) {
            self.host.set_buffer(self.buffer, at, len, replacement)
        } else {
            let whole = self.read(0, self.len);
            if whole.len() != self.len {
                return;
            }
            let spliced = evenkeel_wire::splice::replace_range(&whole, at, len, replacement);
            self.host.set_buffer(self.buffer, 0, self.len, &spliced)
        };
        if done.is_ok() {
            self.len = self
                .len
                .saturating_add(replacement.len())
                .saturating_sub(len);
        }
    }

    /// Removes all bytes: the next filter in the chain sees none.
    pub(crate) fn discard(&mut self) {
        if self.host.set_buffer(self.buffer, 0, self.len, &[]).is_ok() {
            self.len = 0;
        }
    }
}

impl ByteSource for Bytes<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        self.host
            .buffer(self.buffer, start, len)
            .unwrap_or_default()
    }
}

/// The key of a bucket's state in shared data. The prefix separates it from keys of other plugins.
fn budget_key(bucket: BucketId) -> String {
    format!("evenkeel/budget/{:016x}", bucket.as_u64())
}

/// The state of the budgets, in the host's shared data.
pub(crate) struct SharedBudget<'h>(pub(crate) &'h dyn Host);

impl BucketStore for SharedBudget<'_> {
    fn load(&mut self, bucket: BucketId) -> (Option<u64>, u32) {
        let (value, token) = self.0.shared(&budget_key(bucket));
        let value = value.and_then(|value| value.try_into().ok());
        (value.map(u64::from_le_bytes), token)
    }

    fn store(&mut self, bucket: BucketId, state: u64, token: u32) -> bool {
        self.0
            .share(&budget_key(bucket), &state.to_le_bytes(), token)
    }
}
