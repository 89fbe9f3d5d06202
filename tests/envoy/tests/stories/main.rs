//! Stories of the module in a real Envoy, over real sockets. One binary: the machine that runs them is
//! small, and they share what they stand on.

mod bad_policy;
mod budget;
mod duplicates;
mod grpc;
mod harsh;
mod hasty;
mod hint;
mod http1;
mod http1_leaving;
mod http2;
mod http2_frames;
mod http2_tunnels;
mod idle_http2;
mod keepalive;
mod load_metrics;
mod metrics;
mod observe;
mod peers;
mod rebalance;
mod rebalance_gateway;
mod rebalance_measure;
mod receipts;
mod recycling;
mod rollback;
mod routes;

mod slow_reader;
mod support;
mod tcp;
mod update;
mod upstream;
mod waiting;
mod websocket;
mod websocket_clients;
