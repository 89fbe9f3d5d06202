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

/// The SQL dialect.
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
    /// True if they call a procedure, which may begin a transaction.
    calls_procedure: bool,
    set_config: SetConfig,
}

/// PostgreSQL's `set_config(name, value, is_local)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SetConfig {
    #[default]
    None,
    Called,
    /// `true` followed: the setting ends with the transaction.
    Local,
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
pub(super) struct SqlReader {
    dialect: Dialect,
    lexer: Lexer,
    statement: Statement,
    /// In the block of a `DO`: the tag that ends it.
    block: Option<u32>,
    effects: Effects,
}

impl SqlReader {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            lexer: Lexer::default(),
            statement: Statement::default(),
            block: None,
            effects: Effects::default(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let tokens = self.lexer.push(*byte, self.dialect);
            if let Some(word) = tokens.word {
                self.apply_word(word.bytes());
            }
            if let Some(symbol) = tokens.symbol {
                self.statement
                    .apply(Token::Symbol(symbol), self.dialect, &mut self.effects);
            }
            if let Some(tag) = tokens.tag {
                self.apply_tag(tag);
            }
        }
    }

    fn apply_word(&mut self, word: &[u8]) {
        match word {
            // PL/pgSQL: a statement follows.
            b"begin" | b"then" | b"else" | b"loop" if self.block.is_some() => {
                self.statement = Statement::Start;
            }
            _ => self
                .statement
                .apply(Token::Word(word), self.dialect, &mut self.effects),
        }
    }

    /// The block that `DO` executes is read like other statements.
    fn apply_tag(&mut self, tag: u32) {
        if self.block == Some(tag) {
            self.block = None;
        } else if self.block.is_none() && self.statement == Statement::Do {
            self.block = Some(tag);
        } else {
            return;
        }
        self.lexer = Lexer::default();
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
    /// A procedure was called, or prepared to be.
    pub(super) has_procedures: bool,
}

impl SqlSession {
    pub(super) fn apply(&mut self, effects: Effects) {
        if effects.discards_all {
            self.pins.clear();
        }
        self.pins.subtract(effects.removed);
        self.is_set_up |= effects.ends_setup;
        self.has_procedures |= effects.calls_procedure;
        self.add(effects.pins);
    }

    /// Adds what a statement creates, which may have been prepared before.
    pub(super) fn add(&mut self, mut pins: Pins) {
        if !self.is_set_up {
            pins.remove(PinReason::SessionSetting);
        }
        self.pins.extend(pins);
    }

    /// The client has selected another database.
    pub(super) fn select_database(&mut self) {
        let mut pins = Pins::default();
        pins.insert(PinReason::SessionSetting);
        self.add(pins);
    }
}

#[cfg(test)]
mod tests;
