//! A real Envoy for tests, with clients, backends and a substitute for kube-proxy on loopback.
//!
//! A story starts what it needs, acts as a client and reads Envoy's stats:
//!
//! ```no_run
//! # use evenkeel_test_envoy::*;
//! # async fn story() -> anyhow::Result<()> {
//! let backend = Backend::start("a").await?;
//! let listener = Listener::http("in").route("/", "app").evenkeel(
//!     Roles::Network,
//!     r#"{ "version": 1, "defaults": { "max_requests_per_connection": 2 } }"#,
//! );
//! let envoy = Envoy::start(
//!     Bootstrap::new().listener(listener).cluster(Cluster::new("app", [backend.address()])),
//! ).await?;
//! let client = Client::http1(envoy.address("in"));
//! assert_eq!(client.get("/").await?.body, "a");
//! assert_eq!(envoy.stats().await?.get("wasmcustom.evenkeel_requests_total"), 1);
//! # Ok(())
//! # }
//! ```
//!
//! The kernel chooses all ports; each server returns its address.

mod backend;
mod binary;
mod bootstrap;
mod caller;
mod client;
mod envoy;
mod evenkeel;
mod kube_proxy;
mod stats;
mod tally;
mod tcp;
mod wait;

pub use backend::Backend;
pub use binary::{cache_dir, envoy_path, module_path};
pub use bootstrap::{Bootstrap, Cluster, Listener};
pub use caller::call;
pub use client::{Client, Protocol, Response};
pub use envoy::Envoy;
pub use evenkeel::{Roles, stats_tags};
pub use kube_proxy::{KubeProxy, Scheduler};
pub use stats::Stats;
pub use tally::Tally;
pub use tcp::{TcpClient, TcpEcho};
pub use wait::eventually;
