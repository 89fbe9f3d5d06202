//! Stories about the built module, in the test host. One binary: each would bring its own compiler of wasm.

mod clock;
mod grpc;
mod http1;
mod http2;
mod peers;
mod policy;
mod rebalance;
mod routes;
mod tcp_and_observe;
mod upstream;
mod websocket;
mod workers;
