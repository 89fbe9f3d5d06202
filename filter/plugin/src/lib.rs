//! Evenkeel's proxy-wasm module: callbacks become events, effects become hostcalls, and nothing else.
//!
//! One module, two roles. As a NETWORK filter before the HTTP connection manager (or tcp_proxy) it sees
//! the bytes of a connection and can insert a drain signal; as an HTTP filter it knows routes and upstreams.
//! In one VM both share the worker (`worker.rs`).

mod host;
mod metrics;
mod network;
mod policies;
#[cfg(test)]
mod tests;
mod vm;
mod worker;
