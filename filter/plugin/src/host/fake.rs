//! A host for unit tests: a test sets what the plugin reads, and reads what the plugin did.
//!
//! `tests/host` runs the built module by Envoy's rules. This host is for cases that Envoy never creates, and for logic that
//! needs no bytes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use core::time::Duration;

use evenkeel_engine::Instant;

use super::{Buffer, Headers, Host, HostResult, Level, MetricKind, NOT_FOUND, Response, Status};

#[derive(Debug, Default)]
pub(crate) struct FakeHost {
    now: Cell<Duration>,
    /// Every hostcall that can fail does so with this status.
    refuses: Cell<Option<Status>>,
    properties: RefCell<BTreeMap<String, Vec<u8>>>,
    configuration: RefCell<Vec<u8>>,
    client_data: RefCell<Vec<u8>>,
    server_data: RefCell<Vec<u8>>,
    headers: RefCell<BTreeMap<String, Vec<u8>>>,
    shared: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    metrics: RefCell<Vec<(String, i64)>>,
    log: RefCell<Vec<(Level, String)>>,
    log_level: Cell<u32>,
    calls: RefCell<BTreeMap<String, usize>>,
}

impl FakeHost {
    /// A host that has been up for a day and logs from info on.
    pub(crate) fn new() -> Rc<Self> {
        let host = Self::default();
        host.now.set(Duration::from_secs(86_400));
        host.log_level.set(Level::Info as u32);
        Rc::new(host)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.now.set(self.now.get().saturating_add(by));
    }

    /// From now on every hostcall fails with `status`; with None they succeed again.
    pub(crate) fn refuse(&self, status: Option<Status>) {
        self.refuses.set(status);
    }

    pub(crate) fn set_log_level(&self, level: u32) {
        self.log_level.set(level);
    }

    pub(crate) fn set_property(&self, path: &[&str], value: impl Into<Vec<u8>>) {
        let mut properties = self.properties.borrow_mut();
        properties.insert(path.join("."), value.into());
    }

    pub(crate) fn set_request_header(&self, name: &str, value: &str) {
        let mut headers = self.headers.borrow_mut();
        headers.insert(name.to_owned(), value.into());
    }

    pub(crate) fn set_configuration(&self, text: &str) -> usize {
        *self.configuration.borrow_mut() = text.into();
        text.len()
    }

    /// Sets the bytes from the client for the next callback.
    pub(crate) fn set_client_data(&self, bytes: &[u8]) -> usize {
        *self.client_data.borrow_mut() = bytes.into();
        bytes.len()
    }

    /// The bytes that the server gets after the callback.
    pub(crate) fn client_data(&self) -> Vec<u8> {
        self.client_data.borrow().clone()
    }

    /// Sets the bytes from the server for the next callback.
    pub(crate) fn set_server_data(&self, bytes: &[u8]) -> usize {
        *self.server_data.borrow_mut() = bytes.into();
        bytes.len()
    }

    /// The bytes that the client gets after the callback.
    pub(crate) fn server_data(&self) -> Vec<u8> {
        self.server_data.borrow().clone()
    }

    /// A metric's value; None if the plugin has not defined it.
    pub(crate) fn metric(&self, name: &str) -> Option<i64> {
        let metrics = self.metrics.borrow();
        let found = metrics.iter().find(|(defined, _)| defined == name);
        found.map(|(_, value)| *value)
    }

    /// The number of log lines that contain `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        let log = self.log.borrow();
        log.iter().filter(|(_, line)| line.contains(text)).count()
    }

    /// The number of hostcalls with this name.
    pub(crate) fn calls_of(&self, call: &str) -> usize {
        self.calls.borrow().get(call).copied().unwrap_or_default()
    }

    fn call(&self, name: &str) -> HostResult {
        let mut calls = self.calls.borrow_mut();
        let count = calls.entry(name.to_owned()).or_default();
        *count = count.saturating_add(1);
        self.refuses.get().map_or(Ok(()), Err)
    }

    fn buffer_of(&self, buffer: Buffer) -> &RefCell<Vec<u8>> {
        match buffer {
            Buffer::Downstream => &self.client_data,
            Buffer::Upstream | Buffer::HttpCallResponse => &self.server_data,
            Buffer::PluginConfiguration => &self.configuration,
        }
    }
}

impl Host for FakeHost {
    fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }

    fn log_level(&self) -> HostResult<u32> {
        self.call("log_level")?;
        Ok(self.log_level.get())
    }

    fn monotonic_time(&self) -> HostResult<Instant> {
        self.call("monotonic_time")?;
        Ok(Instant::default().after(self.now.get()))
    }

    fn wall_clock(&self) -> HostResult<u64> {
        self.call("wall_clock")?;
        Ok(1)
    }

    fn set_tick_period(&self, _period: Duration) -> HostResult {
        self.call("set_tick_period")
    }

    fn buffer(&self, buffer: Buffer, start: usize, len: usize) -> HostResult<Vec<u8>> {
        self.call("buffer")?;
        let bytes = self.buffer_of(buffer).borrow();
        Ok(bytes.iter().skip(start).take(len).copied().collect())
    }

    fn set_buffer(&self, buffer: Buffer, start: usize, len: usize, bytes: &[u8]) -> HostResult {
        self.call("set_buffer")?;
        let mut held = self.buffer_of(buffer).borrow_mut();
        let start = start.min(held.len());
        let end = start.saturating_add(len).min(held.len());
        held.splice(start..end, bytes.iter().copied());
        Ok(())
    }

    fn property(&self, path: &[&str]) -> HostResult<Vec<u8>> {
        self.call("property")?;
        let properties = self.properties.borrow();
        properties.get(&path.join(".")).cloned().ok_or(NOT_FOUND)
    }

    fn set_property(&self, name: &str, value: &[u8]) -> HostResult {
        self.call("set_property")?;
        self.set_property(&[name], value);
        Ok(())
    }

    fn header(&self, _headers: Headers, name: &str) -> HostResult<Vec<u8>> {
        self.call("header")?;
        self.headers.borrow().get(name).cloned().ok_or(NOT_FOUND)
    }

    fn set_header(&self, _headers: Headers, name: &str, value: &str) -> HostResult {
        self.call("set_header")?;
        self.set_request_header(name, value);
        Ok(())
    }

    fn shared_data(&self, key: &str) -> HostResult<(Vec<u8>, u32)> {
        self.call("shared_data")?;
        self.shared.borrow().get(key).cloned().ok_or(NOT_FOUND)
    }

    fn set_shared_data(&self, key: &str, value: &[u8], token: u32) -> HostResult {
        /// The ABI's CAS_MISMATCH.
        const CAS_MISMATCH: Status = Status(8);
        self.call("set_shared_data")?;
        let mut shared = self.shared.borrow_mut();
        let held = shared.get(key).map(|(_, token)| *token);
        if held.is_some_and(|held| held != token) {
            return Err(CAS_MISMATCH);
        }
        let next = held.unwrap_or_default().wrapping_add(1);
        shared.insert(key.to_owned(), (value.to_vec(), next));
        Ok(())
    }

    fn define_metric(&self, _kind: MetricKind, name: &str) -> HostResult<u32> {
        self.call("define_metric")?;
        let mut metrics = self.metrics.borrow_mut();
        let at = metrics.iter().position(|(defined, _)| defined == name);
        let at = at.unwrap_or_else(|| {
            metrics.push((name.to_owned(), 0));
            metrics.len().saturating_sub(1)
        });
        u32::try_from(at).map_err(|_| NOT_FOUND)
    }

    fn increment_metric(&self, metric: u32, by: i64) -> HostResult {
        self.call("increment_metric")?;
        let mut metrics = self.metrics.borrow_mut();
        let metric = usize::try_from(metric).map_err(|_| NOT_FOUND)?;
        let (_, value) = metrics.get_mut(metric).ok_or(NOT_FOUND)?;
        *value = value.saturating_add(by);
        Ok(())
    }

    fn set_effective_context(&self, _context: u32) -> HostResult {
        self.call("set_effective_context")
    }

    fn close_downstream(&self) -> HostResult {
        self.call("close_downstream")
    }

    fn send_response(&self, _response: Response<'_>) -> HostResult {
        self.call("send_response")
    }

    fn http_call(
        &self,
        _cluster: &str,
        _headers: &[(&str, &str)],
        _timeout: Duration,
    ) -> HostResult {
        self.call("http_call")
    }
}
