//! The application of a pod: the servers behind its Envoy.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use evenkeel_test_clients::Program;
use evenkeel_test_databases::{Servers, System, start_nats_member};
use evenkeel_test_envoy::{Backend, TcpEcho};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::side::Side;
use super::{direct_address, nth_port, pod_address_of};

/// Where the NATS server of the first side listens for the other ones of its cluster.
const FIRST_NATS_PORT: u16 = 6222;

/// The application of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    /// HTTP/1, also WebSockets.
    Http,
    /// HTTP/2 and gRPC.
    Grpc,
    /// Lines over raw TCP.
    Tcp,
    /// A database or a broker, one for each side.
    Server(System),
}

/// The running servers of a pod. Dropping them ends them.
#[derive(Debug, Default)]
pub struct Application {
    /// Where the Envoy finds the server of each side.
    pub addresses: Vec<SocketAddr>,
    servers: Vec<Server>,
}

#[derive(Debug)]
enum Server {
    Http(#[expect(dead_code, reason = "runs until it is dropped")] Backend),
    Tcp(#[expect(dead_code, reason = "runs until it is dropped")] TcpEcho),
    Program(#[expect(dead_code, reason = "runs until it is dropped")] Child),
    Database(Servers),
}

impl Application {
    /// Starts the servers of the pod with this number.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start(app: App, number: usize, sides: &[Side]) -> Result<Self> {
        let name = number.to_string();
        let mut application = Self::default();
        match app {
            App::Http | App::Grpc => {
                let server = Backend::start(&name).await?;
                application.addresses = vec![server.address(); sides.len()];
                application.servers.push(Server::Http(server));
            }
            App::Tcp => {
                let server = TcpEcho::start(&name).await?;
                application.addresses = vec![server.address(); sides.len()];
                application.servers.push(Server::Tcp(server));
            }
            App::Server(system) => {
                for side in 0..sides.len() {
                    application.add_database(system, number, side).await?;
                }
            }
        }
        for (side, address) in sides.iter().zip(&mut application.addresses) {
            if let Some((program, age)) = &side.server {
                let (child, own) = start_program(program, age).await?;
                application.servers.push(Server::Program(child));
                *address = own;
            }
        }
        Ok(application)
    }

    /// Clients of MQTT and AMQP have a session or a queue in one broker, which is in the first pod: the other pods are
    /// gateways to it.
    async fn add_database(&mut self, system: System, number: usize, side: usize) -> Result<()> {
        let started = match system {
            System::Mqtt | System::Amqp if number > 0 => {
                self.addresses.push(direct_address(0, side));
                return Ok(());
            }
            System::Nats => {
                let port = nth_port(FIRST_NATS_PORT, side);
                let member = |number| SocketAddr::from((pod_address_of(number), port));
                start_nats_member(number, member(number), &[member(0)]).await?
            }
            _ => system.start(1).await?,
        };
        self.addresses.extend(&started.addresses);
        self.servers.push(Server::Database(started));
        Ok(())
    }

    /// Returns what client programs of its databases or brokers find in their environment.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let databases = self.servers.iter().filter_map(|server| match server {
            Server::Database(servers) => Some(servers),
            _ => None,
        });
        databases
            .flat_map(|servers| servers.environment.clone())
            .collect()
    }
}

/// Starts a server program; returns the address that it prints.
async fn start_program(program: &Program, age: &str) -> Result<(Child, SocketAddr)> {
    let mut child = Command::from(program.command())
        .args(["--max-connection-age", age])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().context("a program without stdout")?;
    let line = BufReader::new(stdout).lines().next_line().await?;
    let address = line.context("the server ended")?.parse()?;
    Ok((child, address))
}
