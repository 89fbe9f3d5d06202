//! mosquitto, an MQTT broker.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;
use evenkeel_test_tools::debian;

use super::Servers;
use crate::process::{Process, Start};

/// Starts brokers; each forwards all messages to the one before it, and the other way round. A broker keeps the
/// sessions of clients that connect to it again.
pub(crate) async fn start(brokers: usize) -> Result<Servers> {
    let mut servers: Vec<(Process, SocketAddr)> = Vec::new();
    for _ in 0..brokers {
        let earlier = servers.last().map(|(_, address)| *address);
        servers.push(start_one(earlier).await?);
    }
    let tools = debian::binary("mosquitto-clients", "mosquitto_sub")?;
    Ok(Servers::new(servers).with("EVENKEEL_MOSQUITTO_SUB", tools))
}

async fn start_one(earlier: Option<SocketAddr>) -> Result<(Process, SocketAddr)> {
    let program = debian::binary("mosquitto", "mosquitto")?;
    let (process, [address]) = Process::start(|directory, [address]| {
        let bridge = earlier.map(|address| {
            format!("connection bridge\naddress {address}\ntopic # both 2\ncleansession false\n")
        });
        let configuration = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n\
             max_queued_messages 100000\nlog_dest stderr\n{}",
            address.port(),
            bridge.unwrap_or_default()
        );
        let file = directory.join("mosquitto.conf");
        fs::write(&file, configuration)?;
        let mut command = Command::new(&program);
        command.arg("-c").arg(file);
        Ok(Start {
            command,
            address,
            signal: "TERM",
        })
    })
    .await?;
    Ok((process, address))
}
