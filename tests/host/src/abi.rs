//! The numbers of the proxy-wasm ABI 0.2.1 that cross the boundary.

/// The status of a hostcall that is not OK. [`Status::InvalidMemoryAccess`] and
/// [`Status::Unimplemented`] are unknown to the Rust SDK: a module that gets one has a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    InvalidMemoryAccess = 6,
    CasMismatch = 8,
    Unimplemented = 12,
}

/// Why a hostcall failed.
pub(crate) enum Refusal {
    /// The module gets a status, and continues.
    Status(Status),
    /// The module is stopped: it trapped in an allocation that the host asked for.
    Trap(wasmtime::Error),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Refusal {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

/// What the host does with the bytes or headers after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Passes them to the next filter.
    Continue,
    /// Holds them back.
    Pause,
}

impl Action {
    pub(crate) fn of(result: u32) -> Self {
        if result == 0 {
            Self::Continue
        } else {
            Self::Pause
        }
    }
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
    /// 5: the Rust SDK writes a panic's text at this level.
    Critical,
}

impl Level {
    pub(crate) fn of(number: u32) -> Result<Self, Status> {
        [
            Self::Trace,
            Self::Debug,
            Self::Info,
            Self::Warn,
            Self::Error,
            Self::Critical,
        ]
        .into_iter()
        .find(|level| *level as u32 == number)
        .ok_or(Status::BadArgument)
    }
}

/// Which bytes `proxy_get_buffer_bytes` and similar hostcalls read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufferType {
    RequestBody = 0,
    ResponseBody = 1,
    Downstream = 2,
    Upstream = 3,
    CallResponseBody = 4,
    GrpcReceive = 5,
    VmConfiguration = 6,
    PluginConfiguration = 7,
    CallData = 8,
}

impl BufferType {
    pub(crate) fn of(number: u32) -> Result<Self, Status> {
        [
            Self::RequestBody,
            Self::ResponseBody,
            Self::Downstream,
            Self::Upstream,
            Self::CallResponseBody,
            Self::GrpcReceive,
            Self::VmConfiguration,
            Self::PluginConfiguration,
            Self::CallData,
        ]
        .into_iter()
        .find(|kind| *kind as u32 == number)
        .ok_or(Status::BadArgument)
    }
}

/// Which headers or trailers a header map hostcall reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MapType {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    GrpcInitialMetadata = 4,
    GrpcTrailingMetadata = 5,
    CallResponseHeaders = 6,
    CallResponseTrailers = 7,
}

impl MapType {
    pub(crate) fn of(number: u32) -> Result<Self, Status> {
        [
            Self::RequestHeaders,
            Self::RequestTrailers,
            Self::ResponseHeaders,
            Self::ResponseTrailers,
            Self::GrpcInitialMetadata,
            Self::GrpcTrailingMetadata,
            Self::CallResponseHeaders,
            Self::CallResponseTrailers,
        ]
        .into_iter()
        .find(|kind| *kind as u32 == number)
        .ok_or(Status::BadArgument)
    }
}

/// Which stream `proxy_close_stream` and `proxy_continue_stream` apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamType {
    Request = 0,
    Response = 1,
    Downstream = 2,
    Upstream = 3,
}

impl StreamType {
    pub(crate) fn of(number: u32) -> Result<Self, Status> {
        [
            Self::Request,
            Self::Response,
            Self::Downstream,
            Self::Upstream,
        ]
        .into_iter()
        .find(|kind| *kind as u32 == number)
        .ok_or(Status::BadArgument)
    }
}

/// Who closed, in the numbers of the close callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Unknown = 0,
    Local = 1,
    Remote = 2,
}
