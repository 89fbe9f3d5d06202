//! One connection of any of the protocols.

use super::chunk::Chunk;
use super::{BypassReason, Scanner, SessionState};
use super::{amqp, mqtt, mysql, nats, postgresql, redis};
use crate::ByteSource;

/// The most bytes that a [`Session`] uses, on the heap and beside it, whatever the peers send.
pub const MAX_STATE_BYTES: usize = 24 << 10;

/// A protocol that can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TcpProtocol {
    /// PostgreSQL's frontend/backend protocol 3.
    PostgreSql,
    /// The MySQL client/server protocol, as MySQL and MariaDB speak it.
    MySql,
    /// RESP2 and RESP3.
    Redis,
    /// The NATS client protocol.
    Nats,
    /// MQTT 3.1.1 and 5.
    Mqtt,
    /// AMQP 0-9-1.
    Amqp,
}

impl TcpProtocol {
    /// Every protocol.
    pub const ALL: [Self; 6] = [
        Self::PostgreSql,
        Self::MySql,
        Self::Redis,
        Self::Nats,
        Self::Mqtt,
        Self::Amqp,
    ];

    /// The name in policies and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql",
            Self::MySql => "mysql",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Mqtt => "mqtt",
            Self::Amqp => "amqp",
        }
    }

    /// Returns the protocol whose servers listen on this port by default.
    pub fn of_port(port: u16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.well_known_port() == port)
    }

    /// The port on which its servers listen by default.
    pub const fn well_known_port(self) -> u16 {
        match self {
            Self::PostgreSql => 5432,
            Self::MySql => 3306,
            Self::Redis => 6379,
            Self::Nats => 4222,
            Self::Mqtt => 1883,
            Self::Amqp => 5672,
        }
    }
}

/// Calls the same method of each protocol's scanner.
macro_rules! dispatch {
    ($state:expr, $session:ident => $call:expr, $reason:ident => $bypassed:expr) => {
        match $state {
            State::PostgreSql($session) => $call,
            State::MySql($session) => $call,
            State::Redis($session) => $call,
            State::Nats($session) => $call,
            State::Mqtt($session) => $call,
            State::Amqp($session) => $call,
            State::Bypassed($reason) => $bypassed,
        }
    };
}

/// Both directions of a connection.
#[derive(Debug)]
pub struct Session {
    protocol: TcpProtocol,
    state: State,
}

/// ```text
///             not understood
/// Followed ───────────────────▶ Bypassed
/// ```
#[derive(Debug)]
enum State {
    PostgreSql(Box<postgresql::Session>),
    MySql(Box<mysql::Session>),
    Redis(Box<redis::Session>),
    Nats(Box<nats::Session>),
    Mqtt(Box<mqtt::Session>),
    Amqp(Box<amqp::Session>),
    Bypassed(BypassReason),
}

impl Session {
    /// A connection on which nothing has been sent.
    pub fn new(protocol: TcpProtocol) -> Self {
        let state = match protocol {
            TcpProtocol::PostgreSql => State::PostgreSql(Box::default()),
            TcpProtocol::MySql => State::MySql(Box::default()),
            TcpProtocol::Redis => State::Redis(Box::default()),
            TcpProtocol::Nats => State::Nats(Box::default()),
            TcpProtocol::Mqtt => State::Mqtt(Box::default()),
            TcpProtocol::Amqp => State::Amqp(Box::default()),
        };
        Self { protocol, state }
    }

    /// The protocol by which it is followed.
    pub fn protocol(&self) -> TcpProtocol {
        self.protocol
    }

    /// Takes bytes that the client sent.
    pub fn client(&mut self, source: &mut impl ByteSource) {
        let mut chunk = Chunk::new(source);
        let result =
            dispatch!(&mut self.state, session => session.client(&mut chunk), _reason => Ok(()));
        self.apply(result);
    }

    /// Takes bytes that the server sent.
    pub fn server(&mut self, source: &mut impl ByteSource) {
        let mut chunk = Chunk::new(source);
        let result =
            dispatch!(&mut self.state, session => session.server(&mut chunk), _reason => Ok(()));
        self.apply(result);
    }

    fn apply(&mut self, result: Result<(), BypassReason>) {
        if let Err(reason) = result {
            self.state = State::Bypassed(reason);
        }
    }

    /// Whether the connection can be closed now.
    pub fn state(&self) -> SessionState {
        dispatch!(&self.state, session => session.state(), reason => SessionState::Bypassed(*reason))
    }

    /// How many bytes it uses, on the heap and beside it.
    pub fn state_bytes(&self) -> usize {
        let heap = dispatch!(&self.state, session => heap_bytes(&**session), _reason => 0);
        heap.saturating_add(size_of::<Self>())
    }
}

fn heap_bytes<T: Scanner>(scanner: &T) -> usize {
    scanner.heap_bytes().saturating_add(size_of::<T>())
}
