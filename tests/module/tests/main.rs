//! Tests of the built module in the test host. In one binary: each would contain its own wasm compiler.

mod clock;
mod cost;
mod databases;
mod grpc;
mod http1;
mod http2;
mod http2_unread;
mod peers;
mod policy;
mod rebalance;
mod routes;
mod scale;
mod size;
mod tcp_and_dry_run;
mod upstream;
mod websocket;
mod workers;
