//! One connection of any of the protocols.

use core::fmt;

use super::{BypassReason, Scanner, SessionState};
use super::{amqp, mqtt, mysql, nats, postgresql, redis};
use crate::ByteSource;
use crate::chunk::Chunk;

/// The most bytes that a [`Session`] uses, on the heap and beside it, whatever the peers send.
pub const MAX_STATE_BYTES: usize = 24 << 10;

/// The size of one read from the host.
const READ_SIZE: usize = 512;

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

/// Both directions of a connection.
pub struct Session {
    protocol: TcpProtocol,
    state: State,
}

/// ```text
///             not understood
/// Followed ───────────────────▶ Bypassed
/// ```
enum State {
    Followed(Box<dyn Scanner>),
    Bypassed(BypassReason),
}

/// Omits the scanner's state: `Debug` of six scanners would be compiled into the module.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.protocol.name())
    }
}

impl Session {
    /// A connection on which nothing has been sent.
    pub fn new(protocol: TcpProtocol) -> Self {
        let scanner: Box<dyn Scanner> = match protocol {
            TcpProtocol::PostgreSql => Box::<postgresql::Session>::default(),
            TcpProtocol::MySql => Box::<mysql::Session>::default(),
            TcpProtocol::Redis => Box::<redis::Session>::default(),
            TcpProtocol::Nats => Box::<nats::Session>::default(),
            TcpProtocol::Mqtt => Box::<mqtt::Session>::default(),
            TcpProtocol::Amqp => Box::<amqp::Session>::default(),
        };
        let state = State::Followed(scanner);
        Self { protocol, state }
    }

    /// The protocol by which it is followed.
    pub fn protocol(&self) -> TcpProtocol {
        self.protocol
    }

    /// Takes bytes that the client sent.
    pub fn client(&mut self, source: &mut dyn ByteSource) {
        self.scan(|scanner| scanner.client(&mut Chunk::new(source, READ_SIZE)));
    }

    /// Takes bytes that the server sent.
    pub fn server(&mut self, source: &mut dyn ByteSource) {
        self.scan(|scanner| scanner.server(&mut Chunk::new(source, READ_SIZE)));
    }

    fn scan(&mut self, scan: impl FnOnce(&mut dyn Scanner) -> Result<(), BypassReason>) {
        if let State::Followed(scanner) = &mut self.state
            && let Err(reason) = scan(&mut **scanner)
        {
            self.state = State::Bypassed(reason);
        }
    }

    /// Whether the connection can be closed now.
    pub fn state(&self) -> SessionState {
        match &self.state {
            State::Followed(scanner) => scanner.state(),
            State::Bypassed(reason) => SessionState::Bypassed(*reason),
        }
    }

    /// How many bytes it uses, on the heap and beside it.
    pub fn state_bytes(&self) -> usize {
        let heap = match &self.state {
            State::Followed(it) => it.heap_bytes().saturating_add(size_of_val(&**it)),
            State::Bypassed(_) => 0,
        };
        heap.saturating_add(size_of::<Self>())
    }
}
