//! What the client sends ("Message Formats", F).

use super::statements::Bind;
use super::{CopyMode, Phase, Requests, Shared};
use crate::chunk::Chunk;
use crate::tcp::frames::{Event, Frames, Lengths};
use crate::tcp::sql::{Dialect, MAX_INSPECTED, SqlReader};
use crate::tcp::{BypassReason, TLS_HANDSHAKE};

const PROTOCOL_3: u32 = 3 << 16;
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// The server refuses longer packets before authentication (`MAX_STARTUP_PACKET_LENGTH`).
const MAX_STARTUP: u32 = 10_000;

/// A typed message begins with its type and length; a startup message with its length and code.
const HEADER: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Frontend {
    pub(super) frames: Frames<HEADER>,
    message: Message,
    is_closing: bool,
}

/// The message whose payload is being read.
#[derive(Debug, Default)]
enum Message {
    Startup(u32),
    Query(SqlReader),
    /// The name of the statement precedes the SQL.
    Parse {
        name: Option<u32>,
        hash: Bind,
        sql: SqlReader,
    },
    Bind(Bind),
    #[default]
    Other,
}

impl Frontend {
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    pub(super) fn scan(
        &mut self,
        chunk: &mut Chunk<'_>,
        shared: &mut Shared,
    ) -> Result<(), BypassReason> {
        loop {
            let has_type = !matches!(shared.phase, Phase::Startup | Phase::Encryption);
            let parse = |header: &[u8]| {
                if has_type {
                    parse_typed(header)
                } else {
                    parse_startup(header)
                }
            };
            match self.frames.next(chunk, parse)? {
                None => return Ok(()),
                Some(Event::Begin(header)) if has_type => self.begin(header[0], shared)?,
                Some(Event::Begin([_, _, _, _, a, b, c, d])) => {
                    // The server has not said whether the connection becomes an encrypted one.
                    if shared.phase == Phase::Encryption {
                        return Err(BypassReason::OutOfStep);
                    }
                    self.message = Message::Startup(u32::from_be_bytes([a, b, c, d]));
                }
                Some(Event::Payload(bytes)) => self.message.push(bytes),
                Some(Event::End) => self.end(shared)?,
            }
        }
    }

    fn begin(&mut self, kind: u8, shared: &mut Shared) -> Result<(), BypassReason> {
        self.message = match kind {
            b'Q' => Message::Query(SqlReader::new(Dialect::PostgreSql)),
            b'P' => Message::Parse {
                name: None,
                hash: Bind::default(),
                sql: SqlReader::new(Dialect::PostgreSql),
            },
            b'B' => Message::Bind(Bind::default()),
            _ => Message::Other,
        };
        let requests = match &mut shared.phase {
            Phase::Ready(requests) => requests,
            // A password, and SASL and GSSAPI responses.
            Phase::Authentication if kind == b'p' => return Ok(()),
            Phase::Authentication if kind == b'X' => {
                self.is_closing = true;
                return Ok(());
            }
            _ => return Err(BypassReason::OutOfStep),
        };
        requests.begin(kind)?;
        self.is_closing |= kind == b'X';
        Ok(())
    }

    fn end(&mut self, shared: &mut Shared) -> Result<(), BypassReason> {
        match core::mem::take(&mut self.message) {
            Message::Startup(SSL_REQUEST | GSSENC_REQUEST) => shared.phase = Phase::Encryption,
            // The server closes the connection after it.
            Message::Startup(CANCEL_REQUEST) => self.is_closing = true,
            Message::Startup(_) => shared.phase = Phase::Authentication,
            Message::Query(sql) => shared.apply_statement(sql),
            Message::Parse { name, sql, .. } => {
                let effects = sql.finish();
                shared.sql.apply(effects);
                if let Some(name) = name {
                    shared.named.insert(name, effects.pins);
                }
            }
            Message::Bind(bind) => {
                let pins = shared.named.pins(bind.statement());
                shared.sql.add(pins);
            }
            Message::Other => {}
        }
        Ok(())
    }
}

impl Message {
    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Query(sql) => sql.push(bytes),
            Self::Parse { name, hash, sql } => {
                for byte in bytes {
                    match (&name, *byte) {
                        (None, 0) => *name = Some(hash.statement()),
                        (None, _) => hash.hash(*byte),
                        (Some(_), byte) => sql.push(&[byte]),
                    }
                }
            }
            Self::Bind(bind) => bytes.iter().for_each(|byte| bind.push(*byte)),
            Self::Startup(_) | Self::Other => {}
        }
    }
}

impl Requests {
    /// Applies the type of a message that the client has begun.
    fn begin(&mut self, kind: u8) -> Result<(), BypassReason> {
        match kind {
            // The server ignores Sync while it waits for the data of a COPY.
            b'S' if self.copy == CopyMode::In => {}
            b'Q' | b'F' | b'S' => {
                self.pending = self.pending.saturating_add(1);
                self.ends_with_sync = kind == b'S';
                // A Query or FunctionCall ends the implicit transaction, too.
                self.has_unsynced = false;
            }
            b'P' | b'B' | b'E' | b'D' | b'C' => self.has_unsynced = true,
            b'c' | b'f' => {
                if self.copy == CopyMode::In {
                    self.copy = CopyMode::None;
                }
            }
            b'H' | b'd' | b'p' | b'X' => {}
            _ => return Err(BypassReason::Malformed),
        }
        Ok(())
    }
}

fn parse_startup(header: &[u8]) -> Result<Option<Lengths>, BypassReason> {
    let [a, b, c, d, e, f, g, h] = *header else {
        return match header {
            // TLS without an SSLRequest before it (`sslnegotiation=direct`).
            [TLS_HANDSHAKE, ..] => Err(BypassReason::Encrypted),
            _ => Ok(None),
        };
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    let code = u32::from_be_bytes([e, f, g, h]);
    let is_valid = match code {
        SSL_REQUEST | GSSENC_REQUEST => length == 8,
        CANCEL_REQUEST => (16..=MAX_STARTUP).contains(&length),
        _ if code >> 16 == PROTOCOL_3 >> 16 => (9..=MAX_STARTUP).contains(&length),
        _ => return Err(BypassReason::Unsupported),
    };
    if !is_valid {
        return Err(BypassReason::Malformed);
    }
    Ok(Some(Lengths {
        payload: u64::from(length).saturating_sub(8),
        inspected: 0,
    }))
}

fn parse_typed(header: &[u8]) -> Result<Option<Lengths>, BypassReason> {
    let payload = super::backend::payload_length(header)?;
    let inspected = match header.first() {
        Some(b'Q' | b'P' | b'B') => MAX_INSPECTED,
        _ => 0,
    };
    Ok(payload.map(|payload| Lengths { payload, inspected }))
}
