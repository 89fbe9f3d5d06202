//! A real Envoy to test with, and what stands round it on loopback: clients, backends, and a stand-in
//! for the kube-proxy between them.
//!
//! A story starts what it needs, acts as a client, and asks Envoy what it counted:
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
//! Nothing here chooses a port: what listens binds port 0 and tells where it is.

mod backend;
mod binary;
mod bootstrap;
mod client;
mod envoy;
mod evenkeel;
mod kube_proxy;
mod stats;
mod tcp;
mod wait;

pub use backend::Backend;
pub use binary::{cache_dir, envoy_path, module_path};
pub use bootstrap::{Bootstrap, Cluster, Listener};
pub use client::{Answer, Client, Protocol};
pub use envoy::Envoy;
pub use evenkeel::{Roles, stats_tags};
pub use kube_proxy::KubeProxy;
pub use stats::Stats;
pub use tcp::{TcpClient, TcpEcho};
pub use wait::eventually;
