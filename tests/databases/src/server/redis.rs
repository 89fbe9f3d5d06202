//! Redis.

use std::process::Command;

use anyhow::Result;
use evenkeel_test_tools::debian;

use super::Servers;
use crate::process::{Process, Start};

/// Starts independent servers.
pub(crate) async fn start(count: usize) -> Result<Servers> {
    let program = debian::binary("redis-server", "redis-server")?;
    let mut servers = Vec::new();
    for _ in 0..count {
        let (process, [address]) = Process::start(|directory, [address]| {
            let mut command = Command::new(&program);
            command
                .args(["--bind", "127.0.0.1", "--port", &address.port().to_string()])
                .args(["--save", "", "--appendonly", "no", "--dir"])
                .arg(directory);
            Ok(Start {
                command,
                address,
                signal: "TERM",
            })
        })
        .await?;
        servers.push((process, address));
    }
    Ok(Servers::new(servers))
}
