//! What the client sends ("Command Phase").

use super::handshake::Capabilities;
use super::packet::{HEADER, MAX_PAYLOAD, parse, payload_length};
use super::queue::Command;
use super::{Phase, Shared};
use crate::chunk::Chunk;
use crate::tcp::BypassReason;
use crate::tcp::frames::{Event, Frames};
use crate::tcp::prefix::Prefix;
use crate::tcp::sql::{Dialect, MAX_INSPECTED, SqlReader};

const COM_QUIT: u8 = 0x01;
const COM_INIT_DB: u8 = 0x02;
const COM_QUERY: u8 = 0x03;
const COM_FIELD_LIST: u8 = 0x04;
const COM_REFRESH: u8 = 0x07;
const COM_SHUTDOWN: u8 = 0x08;
const COM_STATISTICS: u8 = 0x09;
const COM_PROCESS_INFO: u8 = 0x0a;
const COM_PROCESS_KILL: u8 = 0x0c;
const COM_DEBUG: u8 = 0x0d;
const COM_PING: u8 = 0x0e;
const COM_CHANGE_USER: u8 = 0x11;
const COM_BINLOG_DUMP: u8 = 0x12;
const COM_REGISTER_SLAVE: u8 = 0x15;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_SEND_LONG_DATA: u8 = 0x18;
const COM_STMT_CLOSE: u8 = 0x19;
const COM_STMT_RESET: u8 = 0x1a;
const COM_SET_OPTION: u8 = 0x1b;
const COM_STMT_FETCH: u8 = 0x1c;
const COM_BINLOG_DUMP_GTID: u8 = 0x1e;
const COM_RESET_CONNECTION: u8 = 0x1f;
/// Flags of COM_STMT_EXECUTE that ask for a cursor.
const CURSOR_TYPES: u8 = 0x07;
/// MariaDB's.
const COM_STMT_BULK_EXECUTE: u8 = 0xfa;

#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) frames: Frames<HEADER>,
    message: Message,
    length: u32,
}

/// The packet whose payload is being read.
#[derive(Debug, Default)]
enum Message {
    Login(Prefix<32>),
    /// The code, and what follows it at the beginning of the payload.
    Command(Prefix<6>),
    /// COM_QUERY, at the number of query attributes. Their names and values precede the statement, which is
    /// parsed only if there are none.
    Attributes,
    /// COM_QUERY and COM_STMT_PREPARE.
    Statement(Command, SqlReader),
    /// A response to the server's authentication method.
    Authentication,
    /// A part of a local file.
    File,
    /// The continuation of the packet before.
    #[default]
    Continuation,
}

impl Client {
    pub(super) fn scan(
        &mut self,
        chunk: &mut Chunk<'_>,
        shared: &mut Shared,
    ) -> Result<(), BypassReason> {
        while let Some(event) = self
            .frames
            .next(chunk, |header| parse(header, MAX_INSPECTED))?
        {
            match event {
                Event::Begin([a, b, c, sequence]) => {
                    let continues = self.length == MAX_PAYLOAD;
                    self.length = payload_length([a, b, c]);
                    self.message = if continues {
                        Message::Continuation
                    } else {
                        Message::begin(sequence, shared)?
                    };
                }
                Event::Payload(bytes) => self.message.push(bytes, shared.capabilities)?,
                Event::End => {
                    let message = core::mem::take(&mut self.message);
                    message.end(self.length, shared)?;
                }
            }
        }
        Ok(())
    }
}

impl Message {
    fn begin(sequence: u8, shared: &Shared) -> Result<Self, BypassReason> {
        match shared.phase {
            Phase::Greeting => Err(BypassReason::OutOfStep),
            Phase::Login => Ok(Self::Login(Prefix::default())),
            Phase::Authentication => Ok(Self::Authentication),
            Phase::LocalInfile => Ok(Self::File),
            Phase::Command if shared.queue.front() == Some(Command::Authentication) => {
                Ok(Self::Authentication)
            }
            // Each command begins a sequence.
            Phase::Command if sequence != 0 => Err(BypassReason::OutOfStep),
            Phase::Command => Ok(Self::Command(Prefix::default())),
            Phase::Replication | Phase::Closing => Ok(Self::Continuation),
        }
    }

    fn push(&mut self, mut bytes: &[u8], capabilities: Capabilities) -> Result<(), BypassReason> {
        if let Self::Command(payload) = self
            && payload.is_empty()
            && let [code @ (COM_QUERY | COM_STMT_PREPARE), rest @ ..] = bytes
        {
            *self = match *code {
                COM_QUERY if capabilities.has_query_attributes() => Self::Attributes,
                COM_QUERY => Self::Statement(Command::Query, SqlReader::new(Dialect::MySql)),
                _ => Self::Statement(Command::Prepare, SqlReader::new(Dialect::MySql)),
            };
            bytes = rest;
        }
        if let Self::Attributes = self
            && let Some((count, rest)) = bytes.split_first()
        {
            if *count != 0 {
                return Err(BypassReason::Unsupported);
            }
            *self = Self::Statement(Command::Query, SqlReader::new(Dialect::MySql));
            bytes = rest;
        }
        match self {
            Self::Login(payload) => payload.push(bytes),
            Self::Command(payload) => payload.push(bytes),
            Self::Statement(_, reader) => reader.push(bytes),
            Self::Attributes | Self::Authentication | Self::File | Self::Continuation => {}
        }
        Ok(())
    }

    fn end(self, length: u32, shared: &mut Shared) -> Result<(), BypassReason> {
        match self {
            Self::Login(payload) => {
                shared.capabilities.negotiate(payload.bytes(), length)?;
                shared.phase = Phase::Authentication;
            }
            Self::Command(payload) => apply_command(payload.bytes(), shared)?,
            Self::Statement(command, reader) => {
                shared.sql.apply(reader.finish());
                shared.queue.push(command)?;
            }
            // An empty packet ends the file.
            Self::File if length == 0 => shared.phase = Phase::Command,
            Self::Attributes => return Err(BypassReason::Malformed),
            Self::Authentication | Self::File | Self::Continuation => {}
        }
        Ok(())
    }
}

/// Applies a command, of which `payload` has the first bytes.
fn apply_command(payload: &[u8], shared: &mut Shared) -> Result<(), BypassReason> {
    let (code, arguments) = payload.split_first().ok_or(BypassReason::Malformed)?;
    let statement = match arguments {
        [a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    };
    let command = match *code {
        COM_QUIT => {
            shared.phase = Phase::Closing;
            return Ok(());
        }
        // Neither has a response.
        COM_STMT_SEND_LONG_DATA => return Ok(()),
        COM_STMT_CLOSE => return shared.cursors.remove(u64::from(statement)),
        COM_STMT_RESET => {
            shared.cursors.remove(u64::from(statement))?;
            Command::Simple
        }
        COM_STMT_EXECUTE => Command::Execute {
            // The flags follow the statement.
            cursor: arguments
                .get(4)
                .is_none_or(|flags| flags & CURSOR_TYPES != 0)
                .then_some(statement),
        },
        COM_STMT_BULK_EXECUTE => Command::Execute { cursor: None },
        COM_STMT_FETCH => Command::Fetch { statement },
        COM_RESET_CONNECTION => {
            shared.reset();
            Command::Simple
        }
        COM_CHANGE_USER => {
            shared.reset();
            Command::Authentication
        }
        COM_BINLOG_DUMP | COM_BINLOG_DUMP_GTID => {
            shared.phase = Phase::Replication;
            return Ok(());
        }
        COM_INIT_DB => {
            shared.sql.select_database();
            Command::Simple
        }
        COM_REFRESH | COM_SHUTDOWN | COM_PROCESS_KILL | COM_DEBUG | COM_PING
        | COM_REGISTER_SLAVE | COM_SET_OPTION => Command::Simple,
        COM_PROCESS_INFO => Command::Query,
        COM_STATISTICS => Command::Text,
        COM_FIELD_LIST => Command::FieldList,
        _ => return Err(BypassReason::Unsupported),
    };
    shared.queue.push(command)
}
