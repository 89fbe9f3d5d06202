//! Which state a SQL statement makes the server keep for the session.
//!
//! Only the beginning of a statement is inspected, word by word and without a copy. Words in quotes and
//! comments do not count. A statement that fails, or is rolled back, counts as if it had succeeded.

mod effect;
mod lexer;

use super::PinReason;
use super::state::Pins;
use effect::Statement;
use lexer::{Lexer, Token};

/// How many bytes of a SQL statement are inspected.
pub const MAX_INSPECTED: u64 = 1024;

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    PostgreSql,
    MySql,
}

/// What statements do to the state of the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// State that the statements create.
    pub(super) pins: Pins,
    /// True if they delete all state: `DISCARD ALL`.
    pub(super) discards_all: bool,
    /// State that they delete.
    removed: Pins,
    /// True if a statement is none that drivers send to set up a connection.
    ends_setup: bool,
}

impl Effects {
    fn add(&mut self, reason: PinReason) {
        self.pins.insert(reason);
    }

    fn remove(&mut self, reason: PinReason) {
        self.pins.remove(reason);
        self.removed.insert(reason);
    }

    fn discard_all(&mut self) {
        self.pins.clear();
        self.discards_all = true;
    }
}

/// Reads the SQL of one message, which may have several statements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    dialect: Dialect,
    lexer: Lexer,
    statement: Statement,
    effects: Effects,
}

impl Reader {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            lexer: Lexer::default(),
            statement: Statement::default(),
            effects: Effects::default(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let (word, symbol) = self.lexer.push(*byte, self.dialect);
            if let Some(word) = word {
                self.statement
                    .apply(Token::Word(word.bytes()), self.dialect, &mut self.effects);
            }
            if let Some(symbol) = symbol {
                self.statement
                    .apply(Token::Symbol(symbol), self.dialect, &mut self.effects);
            }
        }
    }

    /// The effects of the statements, at the end of the message.
    pub(super) fn finish(mut self) -> Effects {
        self.push(b";");
        self.effects
    }
}

/// The state that the server keeps for a session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SqlSession {
    pub(super) pins: Pins,
    /// A statement was sent that does not belong to the setup of a connection. What is set before it is set
    /// again by the driver or the pool on each new connection, so that it pins nothing.
    is_set_up: bool,
}

impl SqlSession {
    pub(super) fn apply(&mut self, effects: Effects) {
        if effects.discards_all {
            self.pins.clear();
        }
        self.pins.subtract(effects.removed);
        let mut pins = effects.pins;
        self.is_set_up |= effects.ends_setup;
        if !self.is_set_up {
            pins.remove(PinReason::SessionSetting);
        }
        self.pins.extend(pins);
    }
}

#[cfg(test)]
mod tests;
