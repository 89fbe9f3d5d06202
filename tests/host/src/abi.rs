//! The numbers of the proxy-wasm ABI 0.2.1 that the module uses.

/// The status of a hostcall that is not OK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    InvalidMemoryAccess = 6,
    CasMismatch = 8,
}

/// Why a hostcall failed.
pub(crate) enum Failure {
    /// The module gets a status, and continues.
    Status(Status),
    /// The module trapped in an allocation that the host requested.
    Trap(wasmtime::Error),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

/// Reads an enum of the ABI by its number.
pub(crate) fn find<T: Copy>(all: &[T], number: u32, of: impl Fn(T) -> u32) -> Result<T, Status> {
    let mut all = all.iter().copied();
    all.find(|one| of(*one) == number)
        .ok_or(Status::BadArgument)
}

/// The severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 0
    Trace,
    /// 1
    Debug,
    /// 2
    Info,
    /// 3
    Warn,
    /// 4
    Error,
    /// 5
    Critical,
}

impl Level {
    pub(crate) const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Critical,
    ];
}

/// The bytes that `proxy_get_buffer_bytes` and `proxy_set_buffer_bytes` access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufferType {
    Downstream = 2,
    Upstream = 3,
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

impl BufferType {
    pub(crate) const ALL: [Self; 4] = [
        Self::Downstream,
        Self::Upstream,
        Self::CallResponseBody,
        Self::PluginConfiguration,
    ];
}

/// The headers that a header map hostcall accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapType {
    Request = 0,
    Response = 2,
    CallResponse = 6,
}

impl MapType {
    pub(crate) const ALL: [Self; 3] = [Self::Request, Self::Response, Self::CallResponse];
}

/// The stream type of `proxy_close_stream` that closes a connection.
pub(crate) const DOWNSTREAM: u32 = 2;

/// Who closed a connection, as an argument of the callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Local = 1,
    Remote = 2,
}
