//! NATS.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;
use evenkeel_test_tools::debian;

use super::Servers;
use crate::process::{Process, Start};

/// Starts a cluster of two servers with JetStream.
pub(crate) async fn start() -> Result<Servers> {
    let program = debian::binary("nats-server", "nats-server")?;
    let mut servers: Vec<(Process, SocketAddr)> = Vec::new();
    let mut first: Option<SocketAddr> = None;
    for name in ["a", "b"] {
        let (process, [address, cluster]) = Process::start(|directory, [address, cluster]| {
            // JetStream in a cluster requires a route; a route to itself is ignored.
            let route = first.unwrap_or(cluster);
            let configuration = format!(
                "server_name: {name}\nlisten: \"{address}\"\n\
                 jetstream {{ store_dir: \"{}\" }}\n\
                 cluster {{\n  name: test\n  listen: \"{cluster}\"\n  routes: [\"nats://{route}\"]\n\
                 # Clients would connect to advertised addresses, past the proxy.\n  no_advertise: true\n}}\n",
                directory.join("jetstream").display()
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
        .await?;
        first.get_or_insert(cluster);
        servers.push((process, address));
    }
    Ok(Servers::new(servers))
}
