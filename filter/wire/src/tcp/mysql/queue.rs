//! The commands whose responses are not complete, in order.

use std::collections::VecDeque;

use crate::tcp::BypassReason;

/// How many different commands in a row are followed. Equal ones count as one: a driver that sends a batch
/// without waiting executes one statement many times.
const MAX_RUNS: usize = 64;

/// Which response a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// One packet with a status.
    Simple,
    /// One packet of text: COM_STATISTICS.
    Text,
    /// COM_QUERY: result sets, or a request for a local file.
    Query,
    /// COM_STMT_EXECUTE: as a query. The statement, if it asks for a cursor.
    Execute {
        cursor: Option<u32>,
    },
    /// COM_STMT_FETCH of a statement: rows alone.
    Fetch {
        statement: u32,
    },
    /// COM_FIELD_LIST: definitions alone.
    FieldList,
    Prepare,
    /// COM_CHANGE_USER: packets in both directions until OK or ERR.
    Authentication,
}

/// A queue of commands.
#[derive(Debug, Default)]
pub(super) struct Queue {
    runs: VecDeque<(Command, u32)>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The command to which the next packet of the server belongs.
    pub(super) fn front(&self) -> Option<Command> {
        self.runs.front().map(|(command, _)| *command)
    }

    /// # Errors
    /// [`BypassReason::TooManyInFlight`]
    pub(super) fn push(&mut self, command: Command) -> Result<(), BypassReason> {
        let is_full = self.runs.len() >= MAX_RUNS;
        match self.runs.back_mut() {
            Some((last, count)) if *last == command => *count = count.saturating_add(1),
            _ if is_full => return Err(BypassReason::TooManyInFlight),
            _ => self.runs.push_back((command, 1)),
        }
        Ok(())
    }

    pub(super) fn pop(&mut self) {
        if let Some((_, count)) = self.runs.front_mut() {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.runs.pop_front();
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let run = size_of::<(Command, u32)>();
        self.runs.capacity().saturating_mul(run)
    }
}
