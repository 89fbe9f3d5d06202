//! What the server sends: the greeting, and responses to commands.

use super::handshake::Greeting;
use super::packet::{
    EOF, ERR, HEADER, LOCAL_INFILE, MAX_PAYLOAD, OK, Status, parse, payload_length, read_integer,
};
use super::queue::Command;
use super::{Phase, Shared};
use crate::chunk::Chunk;
use crate::tcp::BypassReason;
use crate::tcp::frames::{Event, Frames};
use crate::tcp::prefix::Prefix;

/// The longest part of a packet that matters: code, two length-encoded integers and the flags of an OK.
const INSPECTED: u64 = 21;

/// The greeting is read up to MariaDB's capabilities, which follow the server's version.
const GREETING_INSPECTED: u64 = 512;

#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) frames: Frames<HEADER>,
    length: u32,
    is_continuation: bool,
    greeting: Greeting,
    payload: Prefix<21>,
    response: Response,
}

/// Where the response to the first command of the queue is.
///
/// ```text
///        number of columns             last definition          EOF, OK or ERR
/// First ──────────────────▶ Definitions ─────────────▶ Rows ─────────────────▶ First
///   │ OK, ERR                  │   ▲ EOF_Packet, if                  more results, or the next command
///   └──────▶ First             ▼   │ it is not deprecated
///                           DefinitionsEnd
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Response {
    #[default]
    First,
    Definitions {
        left: u64,
        then: After,
    },
    /// The next packet is the EOF_Packet after definitions.
    DefinitionsEnd(After),
    Rows,
}

/// What follows definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Rows,
    /// Of a prepared statement: so many columns, after the parameters.
    Columns(u64),
    Nothing,
}

impl Server {
    pub(super) fn scan(
        &mut self,
        chunk: &mut Chunk<'_>,
        shared: &mut Shared,
    ) -> Result<(), BypassReason> {
        loop {
            let inspected = match shared.phase {
                Phase::Greeting => GREETING_INSPECTED,
                _ => INSPECTED,
            };
            let Some(event) = self.frames.next(chunk, |header| parse(header, inspected))? else {
                return Ok(());
            };
            match event {
                Event::Begin([a, b, c, _]) => {
                    self.is_continuation = self.length == MAX_PAYLOAD;
                    self.length = payload_length([a, b, c]);
                    self.payload.clear();
                }
                Event::Payload(bytes) => {
                    self.payload.push(bytes);
                    if shared.phase == Phase::Greeting {
                        self.greeting.push(bytes);
                    }
                }
                Event::End if self.is_continuation => {}
                Event::End => self.end(shared)?,
            }
        }
    }

    fn end(&mut self, shared: &mut Shared) -> Result<(), BypassReason> {
        let code = self.payload.bytes().first().copied();
        match (shared.phase, code) {
            (Phase::Greeting | Phase::Authentication, Some(ERR)) => shared.phase = Phase::Closing,
            (Phase::Greeting, _) => {
                shared.capabilities = self.greeting.capabilities()?;
                shared.phase = Phase::Login;
            }
            (Phase::Login, _) => return Err(BypassReason::OutOfStep),
            (Phase::Authentication, Some(OK)) => {
                shared.status = self.status()?;
                shared.phase = Phase::Command;
            }
            // Data of the authentication method, or a request for another one.
            (Phase::Authentication, _) => {}
            (Phase::LocalInfile, _) if code != Some(ERR) => return Err(BypassReason::OutOfStep),
            (Phase::Command | Phase::LocalInfile, _) => match shared.queue.front() {
                Some(command) => self.apply(command, shared)?,
                // The server closes an idle connection.
                None if code == Some(ERR) => shared.phase = Phase::Closing,
                None => return Err(BypassReason::OutOfStep),
            },
            (Phase::Replication | Phase::Closing, _) => {}
        }
        Ok(())
    }

    fn status(&self) -> Result<Status, BypassReason> {
        Status::read(self.payload.bytes(), self.length)
    }

    /// Applies a packet of the response to `command`.
    fn apply(&mut self, command: Command, shared: &mut Shared) -> Result<(), BypassReason> {
        let payload = self.payload.bytes();
        if shared.capabilities.has_progress_reports() && payload.starts_with(&[ERR, 0xff, 0xff]) {
            return Ok(());
        }
        let code = payload.first().copied().ok_or(BypassReason::Malformed)?;
        match self.response {
            // A definition begins with the length of "def".
            Response::Definitions { left, then } if code != ERR => {
                let left = left.saturating_sub(1);
                self.response = Response::Definitions { left, then };
                self.end_definitions(shared);
                Ok(())
            }
            Response::DefinitionsEnd(then) if code == EOF => {
                let status = self.status()?;
                if then == After::Rows && status.has_cursor {
                    // The rows are fetched.
                    return self.complete(command, status, shared);
                }
                self.response = then.response();
                self.end_definitions(shared);
                Ok(())
            }
            Response::Rows if code != ERR => {
                let is_end = match shared.capabilities.deprecates_eof() {
                    true => code == EOF && self.length < MAX_PAYLOAD,
                    false => code == EOF && self.length < 9,
                };
                match is_end {
                    true => self.complete(command, self.status()?, shared),
                    false => Ok(()),
                }
            }
            Response::First if code != ERR => self.begin(command, code, shared),
            _ if code == ERR => {
                // It has no status. Without autocommit, a statement that fails may have begun a transaction, as may
                // a procedure before it fails.
                shared.status.in_transaction |=
                    !shared.status.has_autocommit || shared.sql.has_procedures;
                shared.phase = Phase::Command;
                self.pop(shared);
                Ok(())
            }
            _ => Err(BypassReason::Malformed),
        }
    }

    /// Applies the first packet of a response.
    fn begin(
        &mut self,
        command: Command,
        code: u8,
        shared: &mut Shared,
    ) -> Result<(), BypassReason> {
        match (command, code) {
            (Command::Text, _) => self.pop(shared),
            (Command::Authentication, OK) => return self.complete(command, self.status()?, shared),
            (Command::Authentication, _) => {}
            (Command::Prepare, OK) => self.begin_prepared(shared)?,
            (Command::Fetch { .. } | Command::FieldList, _) => {
                self.response = Response::Rows;
                return self.apply(command, shared);
            }
            (Command::Simple, OK | EOF) | (Command::Query | Command::Execute { .. }, OK) => {
                return self.complete(command, self.status()?, shared);
            }
            (Command::Query, LOCAL_INFILE) => shared.phase = Phase::LocalInfile,
            (Command::Query | Command::Execute { .. }, _) => {
                let (columns, rest) = read_integer(self.payload.bytes())?;
                let has_definitions =
                    !shared.capabilities.caches_metadata() || rest.first() != Some(&0);
                self.response = Response::Definitions {
                    left: if has_definitions { columns } else { 0 },
                    then: After::Rows,
                };
                self.end_definitions(shared);
            }
            (Command::Prepare | Command::Simple, _) => return Err(BypassReason::Malformed),
        }
        Ok(())
    }

    /// Applies the first packet of the response to COM_STMT_PREPARE: code (1), statement (4), number of
    /// columns (2) and of parameters (2).
    fn begin_prepared(&mut self, shared: &mut Shared) -> Result<(), BypassReason> {
        let Some([a, b, c, d]) = self.payload.bytes().get(5..9) else {
            return Err(BypassReason::Malformed);
        };
        let columns = u64::from(u16::from_le_bytes([*a, *b]));
        let parameters = u64::from(u16::from_le_bytes([*c, *d]));
        self.response = match (parameters, columns) {
            (0, 0) => After::Nothing.response(),
            (0, _) => After::Columns(columns).response(),
            (_, 0) => Response::Definitions {
                left: parameters,
                then: After::Nothing,
            },
            _ => Response::Definitions {
                left: parameters,
                then: After::Columns(columns),
            },
        };
        if parameters == 0 && columns == 0 {
            self.pop(shared);
        }
        Ok(())
    }

    /// Continues after the last definition.
    fn end_definitions(&mut self, shared: &mut Shared) {
        if let Response::Definitions { left: 0, then } = self.response {
            self.response = if shared.capabilities.deprecates_eof() {
                then.response()
            } else {
                Response::DefinitionsEnd(then)
            };
        }
        // Of a prepared statement, this was all.
        if self.response == Response::First {
            self.pop(shared);
        }
    }

    /// Applies the packet that ends a result.
    fn complete(
        &mut self,
        command: Command,
        status: Status,
        shared: &mut Shared,
    ) -> Result<(), BypassReason> {
        shared.status = status;
        shared.phase = Phase::Command;
        match command {
            Command::Execute {
                cursor: Some(statement),
            } if status.has_cursor => {
                shared.cursors.insert(u64::from(statement))?;
            }
            // Executing a statement again closes its cursor.
            Command::Execute {
                cursor: Some(statement),
            } => {
                shared.cursors.remove(u64::from(statement))?;
            }
            Command::Fetch { statement } if status.is_last_row_sent => {
                shared.cursors.remove(u64::from(statement))?;
            }
            _ => {}
        }
        if status.has_more_results {
            self.response = Response::First;
        } else {
            self.pop(shared);
        }
        Ok(())
    }

    fn pop(&mut self, shared: &mut Shared) {
        self.response = Response::First;
        shared.queue.pop();
    }
}

impl After {
    fn response(self) -> Response {
        match self {
            Self::Rows => Response::Rows,
            Self::Columns(left) => Response::Definitions {
                left,
                then: Self::Nothing,
            },
            Self::Nothing => Response::First,
        }
    }
}
