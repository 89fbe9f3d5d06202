//! The databases and brokers.

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::contender::Contender;
use crate::server::{self, Servers};

/// A database or a message broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// PostgreSQL 15: two independent servers.
    Postgresql,
    /// MariaDB 10.11: two independent servers.
    Mysql,
    /// Redis 7: two independent servers.
    Redis,
    /// nats-server 2.9: a cluster of two.
    Nats,
    /// mosquitto 2: one broker, so that a session persists across connections.
    Mqtt,
    /// Two mosquitto 2 that forward messages to each other, without shared sessions.
    MqttBridged,
    /// RabbitMQ 3.10: one broker.
    Amqp,
}

impl System {
    /// All, in the order of the tables.
    pub const ALL: [Self; 7] = [
        Self::Postgresql,
        Self::Mysql,
        Self::Redis,
        Self::Nats,
        Self::Mqtt,
        Self::MqttBridged,
        Self::Amqp,
    ];

    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::MqttBridged => "mqtt-bridged",
            _ => self.protocol(),
        }
    }

    /// The name in `tcp[].protocol`.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Mqtt | Self::MqttBridged => "mqtt",
            Self::Amqp => "amqp",
        }
    }

    /// Whether clients can do without the state that their earlier connection has on a server. A persistent session
    /// of MQTT is on one of the bridged brokers only.
    pub fn shares_sessions(self) -> bool {
        self != Self::MqttBridged
    }

    /// Whether there is a run under `contender`.
    pub fn has(self, contender: Contender) -> bool {
        // Rebalancing needs two servers.
        contender != Contender::Rebalance
            || matches!(
                self,
                Self::Postgresql | Self::Mysql | Self::Redis | Self::Nats
            )
    }

    /// The first bytes of a client that stays idle. Empty for MySQL, where the server sends first.
    pub(crate) fn first_bytes(self) -> &'static [u8] {
        match self {
            // SSLRequest
            Self::Postgresql => b"\0\0\0\x08\x04\xd2\x16\x2f",
            Self::Redis => b"*1\r\n$4\r\nPING\r\n",
            Self::Nats => b"CONNECT {\"verbose\":false}\r\nPING\r\n",
            _ => b"",
        }
    }

    /// The number of servers behind the proxy.
    pub fn servers(self) -> usize {
        match self {
            Self::Mqtt | Self::Amqp => 1,
            Self::Postgresql | Self::Mysql | Self::Redis | Self::Nats | Self::MqttBridged => 2,
        }
    }

    /// Starts servers and waits until they accept connections. An AMQP broker is always alone.
    ///
    /// # Errors
    /// When a package is not available or a server does not start, with the end of its log.
    pub async fn start(self, count: usize) -> Result<Servers> {
        match self {
            Self::Postgresql => server::postgresql::start(count).await,
            Self::Mysql => server::mariadb::start(count).await,
            Self::Redis => server::redis::start(count).await,
            Self::Nats => server::nats::start(count).await,
            Self::Mqtt | Self::MqttBridged => server::mosquitto::start(count).await,
            Self::Amqp => server::rabbitmq::start().await,
        }
    }
}
