//! The client programs: one per library, in a folder per language.

use anyhow::{Result, bail};

use crate::language::Language;
use crate::program::Program;
use crate::system::System;

/// A program that uses one client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The library, as the command line and the tables spell it.
    pub name: &'static str,
    /// What it connects to.
    pub system: System,
    language: Language,
    /// The program's name, then its own arguments.
    program: &'static str,
}

const fn client(
    name: &'static str,
    system: System,
    language: Language,
    program: &'static str,
) -> Client {
    Client {
        name,
        system,
        language,
        program,
    }
}

impl Client {
    /// Every client.
    pub const ALL: &[Self] = {
        use Language::{Go, Java, Python};
        use System::{Amqp, Mqtt, MqttBridged, Mysql, Nats, Postgresql, Redis};
        &[
            client("psycopg", Postgresql, Python, "psycopg_client"),
            client("psycopg_pool", Postgresql, Python, "psycopg_pool_client"),
            client("asyncpg", Postgresql, Python, "asyncpg_client"),
            client(
                "sqlalchemy",
                Postgresql,
                Python,
                "sqlalchemy_client postgresql",
            ),
            client("pgbench", Postgresql, Python, "pgbench_client"),
            client("hikari-pgjdbc", Postgresql, Java, "Hikari postgresql"),
            client("pymysql", Mysql, Python, "pymysql_client"),
            client("sqlalchemy-mysql", Mysql, Python, "sqlalchemy_client mysql"),
            client("hikari-connector-j", Mysql, Java, "Hikari mysql"),
            client("redis-py", Redis, Python, "redis_client"),
            client("nats-py", Nats, Python, "nats_client"),
            client("nats.go", Nats, Go, "natsgo"),
            client("paho", Mqtt, Python, "paho_client"),
            client("mosquitto_sub", Mqtt, Python, "mosquitto_client"),
            client("paho-bridged", MqttBridged, Python, "paho_client"),
            client("pika", Amqp, Python, "pika_client"),
            client("aio-pika", Amqp, Python, "aio_pika_client"),
        ]
    };

    /// The clients of these systems with these names; all without a name.
    ///
    /// # Errors
    /// When no system has a client of a name.
    pub fn select(systems: &[System], names: &[String]) -> Result<Vec<Self>> {
        for name in names {
            if !Self::ALL.iter().any(|client| client.name == name) {
                let known: Vec<_> = Self::ALL.iter().map(|client| client.name).collect();
                bail!("no client {name}; there are {}", known.join(", "));
            }
        }
        let has_name = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
        let wanted = |client: &&Self| systems.contains(&client.system) && has_name(client.name);
        Ok(Self::ALL.iter().filter(wanted).copied().collect())
    }

    /// Returns the program that is not installed on this machine and that the client needs, if any.
    pub fn missing(&self) -> Option<&'static str> {
        self.language.missing()
    }

    /// The program, ready to run.
    ///
    /// # Errors
    /// When the language or a library is not available.
    pub fn provide(&self) -> Result<Program> {
        self.language.program(self.program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_selects_clients_of_its_system_only() {
        let names = ["asyncpg".to_owned()];

        let of = |system| Client::select(&[system], &names).unwrap().len();

        assert_eq!((of(System::Postgresql), of(System::Redis)), (1, 0));
    }

    #[test]
    fn unknown_name_is_an_error() {
        assert!(Client::select(&[System::Redis], &["nothing".to_owned()]).is_err());
    }
}
