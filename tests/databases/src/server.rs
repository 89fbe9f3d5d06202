//! The servers, from Debian's packages.

pub(crate) mod mariadb;
pub(crate) mod mosquitto;
pub(crate) mod nats;
pub(crate) mod postgresql;
pub(crate) mod rabbitmq;
pub(crate) mod redis;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::process::Process;

/// Running servers of one system. Dropping them ends the processes.
#[derive(Debug)]
pub struct Servers {
    /// Where each server accepts clients. The proxy balances connections over these addresses.
    pub addresses: Vec<SocketAddr>,
    /// What the client programs find in their environment: tools of the server's package.
    pub environment: Vec<(&'static str, PathBuf)>,
    /// Each ends with its owner.
    processes: Vec<Process>,
}

impl Servers {
    fn new(servers: Vec<(Process, SocketAddr)>) -> Self {
        let (processes, addresses) = servers.into_iter().unzip();
        Self {
            addresses,
            environment: Vec::new(),
            processes,
        }
    }

    fn with(mut self, variable: &'static str, path: PathBuf) -> Self {
        self.environment.push((variable, path));
        self
    }
}
