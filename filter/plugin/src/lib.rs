//! Evenkeel's proxy-wasm module: callbacks become events, effects become hostcalls, and nothing else.
//!
//! One module, two roles. As a NETWORK filter before the HTTP connection manager (or tcp_proxy) it sees
//! the bytes of a connection and can announce its end; as an HTTP filter it knows routes and upstreams.
//! In one VM both share the worker (`worker.rs`).

mod host;
mod http;
mod metrics;
mod network;
mod peers;
mod policies;
mod recycle;
#[cfg(test)]
mod tests;
mod vm;
mod worker;
