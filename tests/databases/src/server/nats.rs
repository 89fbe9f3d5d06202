//! NATS.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;
use evenkeel_test_tools::debian;

use super::Servers;
use crate::process::{Process, Start};

/// Starts a cluster with JetStream.
pub(crate) async fn start(count: usize) -> Result<Servers> {
    let mut servers: Vec<(Process, SocketAddr)> = Vec::new();
    let mut first: Option<SocketAddr> = None;
    for number in 0..count {
        let place = |free| (free, vec![first.unwrap_or(free)]);
        let (process, [address, cluster]) = start_one(number, place).await?;
        first.get_or_insert(cluster);
        servers.push((process, address));
    }
    Ok(Servers::new(servers))
}

/// Starts one server of a cluster with JetStream, which listens for the others on `cluster` and finds them by `routes`.
///
/// # Errors
/// When the package is not available or the server does not start.
pub async fn start_member(
    number: usize,
    cluster: SocketAddr,
    routes: &[SocketAddr],
) -> Result<Servers> {
    let (process, [address, _]) = start_one(number, |_| (cluster, routes.to_vec())).await?;
    Ok(Servers::new(vec![(process, address)]))
}

/// `place` gets a free address; it returns where the server listens for the others, and where they are.
async fn start_one(
    number: usize,
    place: impl Fn(SocketAddr) -> (SocketAddr, Vec<SocketAddr>),
) -> Result<(Process, [SocketAddr; 2])> {
    let program = debian::binary("nats-server", "nats-server")?;
    Process::start(|directory, [address, free]| {
        // JetStream in a cluster requires a route; a route to itself is ignored.
        let (cluster, routes) = place(free);
        let routes = routes.iter().map(|route| format!("\"nats://{route}\""));
        let configuration = format!(
            "server_name: server-{number}\nlisten: \"{address}\"\n\
             jetstream {{ store_dir: \"{}\" }}\n\
             cluster {{\n  name: test\n  listen: \"{cluster}\"\n  routes: [{}]\n\
             # Clients would connect to advertised addresses, past the proxy.\n  no_advertise: true\n}}\n",
            directory.join("jetstream").display(),
            routes.collect::<Vec<_>>().join(", ")
        );
        let file = directory.join("nats.conf");
        fs::write(&file, configuration)?;
        let mut command = Command::new(&program);
        command.arg("--config").arg(file);
        Ok(Start {
            command,
            address,
            signal: "KILL",
        })
    })
    .await
}
