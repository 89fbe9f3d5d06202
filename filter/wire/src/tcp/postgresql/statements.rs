//! Prepared statements that change the session's state each time they are executed.

use crate::tcp::state::Pins;

/// How many statements are kept one by one.
const MAX_STATEMENTS: usize = 8;

/// Named statements with effects on the session. A driver parses `SELECT pg_advisory_lock($1)` once, and
/// executes it by its name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NamedStatements {
    statements: [(u32, Pins); MAX_STATEMENTS],
    /// The effects of those for which there was no room: any Bind may be for one of them.
    others: Pins,
}

impl NamedStatements {
    pub(super) fn insert(&mut self, name: u32, pins: Pins) {
        let known = self
            .statements
            .iter_mut()
            .find(|(other, pins)| *other == name && !pins.is_empty());
        if let Some((_, known)) = known {
            *known = pins;
            return;
        }
        if pins.is_empty() {
            return;
        }
        let free = self.statements.iter_mut().find(|(_, pins)| pins.is_empty());
        match free {
            Some(statement) => *statement = (name, pins),
            None => self.others.extend(pins),
        }
    }

    /// The state that the execution of a statement creates.
    pub(super) fn pins(&self, name: u32) -> Pins {
        let mut pins = self.others;
        for (_, effects) in self.statements.iter().filter(|(other, _)| *other == name) {
            pins.extend(*effects);
        }
        pins
    }
}

/// Reads the name of the statement in a Bind, which follows the portal's, as its hash (FNV-1a).
#[derive(Clone, Copy, Debug)]
pub(super) struct Bind {
    hash: u32,
    names: u8,
}

impl Default for Bind {
    fn default() -> Self {
        Self {
            hash: 0x811c_9dc5,
            names: 0,
        }
    }
}

impl Bind {
    pub(super) fn push(&mut self, byte: u8) {
        match (self.names, byte) {
            (0 | 1, 0) => self.names = self.names.saturating_add(1),
            (1, byte) => self.hash(byte),
            _ => {}
        }
    }

    pub(super) fn hash(&mut self, byte: u8) {
        self.hash = (self.hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }

    pub(super) fn statement(&self) -> u32 {
        self.hash
    }
}
