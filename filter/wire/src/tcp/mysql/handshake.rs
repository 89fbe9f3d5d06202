//! The first packet of each side ("Connection Phase").

use crate::tcp::BypassReason;
use crate::tcp::prefix::Prefix;

/// The version of the protocol in the first byte.
const PROTOCOL_10: u8 = 10;

/// Capability flags of both sides. MariaDB's own begin at bit 32.
const MYSQL: u64 = 1;
const COMPRESS: u64 = 1 << 5;
const PROTOCOL_41: u64 = 1 << 9;
const SSL: u64 = 1 << 11;
const DEPRECATE_EOF: u64 = 1 << 24;
const OPTIONAL_RESULTSET_METADATA: u64 = 1 << 25;
const ZSTD_COMPRESSION: u64 = 1 << 26;
const QUERY_ATTRIBUTES: u64 = 1 << 27;
const MARIADB_PROGRESS: u64 = 1 << 32;
const MARIADB_CACHE_METADATA: u64 = 1 << 36;

/// An SSLRequest is a login that ends before the user name.
pub(super) const SSL_REQUEST_LENGTH: u32 = 32;

/// The capabilities that server and client have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities(u64);

impl Capabilities {
    /// Result sets end with an OK_Packet, and no EOF_Packet follows definitions.
    pub(super) fn deprecates_eof(self) -> bool {
        self.0 & DEPRECATE_EOF != 0
    }

    /// An ERR_Packet with the error code 0xffff reports the progress of a command.
    pub(super) fn has_progress_reports(self) -> bool {
        self.0 & MARIADB_PROGRESS != 0
    }

    /// COM_QUERY begins with the number of query attributes.
    pub(super) fn has_query_attributes(self) -> bool {
        self.0 & QUERY_ATTRIBUTES != 0
    }

    /// A byte after the number of columns shows whether their definitions follow.
    pub(super) fn caches_metadata(self) -> bool {
        self.0 & MARIADB_CACHE_METADATA != 0
    }

    /// Applies the client's login, whose payload begins with `payload` and has `length` bytes.
    ///
    /// # Errors
    /// If the client selects encryption, compression, or an extension that is not supported.
    pub(super) fn negotiate(&mut self, payload: &[u8], length: u32) -> Result<(), BypassReason> {
        let client = read(payload.get(..4), payload.get(28..32));
        if client & PROTOCOL_41 == 0 {
            return Err(BypassReason::Unsupported);
        }
        if client & SSL != 0 && length == SSL_REQUEST_LENGTH {
            return Err(BypassReason::Encrypted);
        }
        self.0 &= client;
        if self.0 & (COMPRESS | ZSTD_COMPRESSION) != 0 {
            return Err(BypassReason::Compressed);
        }
        if self.0 & OPTIONAL_RESULTSET_METADATA != 0 {
            return Err(BypassReason::Unsupported);
        }
        Ok(())
    }
}

/// Reads flags, and MariaDB's own where bit 0 (CLIENT_MYSQL) is not set.
fn read(flags: Option<&[u8]>, extended: Option<&[u8]>) -> u64 {
    let number = |bytes: Option<&[u8]>| match bytes {
        Some([a, b, c, d]) => u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => 0,
    };
    let flags = number(flags);
    match flags & MYSQL {
        0 => flags | (number(extended) << 32),
        _ => flags,
    }
}

/// The greeting (`Protocol::HandshakeV10`) as far as it has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Greeting {
    version: Option<u8>,
    /// The name of the server's version is complete.
    is_named: bool,
    /// What follows the name.
    rest: Prefix<31>,
}

impl Greeting {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        if self.version.is_none()
            && let Some((version, rest)) = bytes.split_first()
        {
            self.version = Some(*version);
            bytes = rest;
        }
        if !self.is_named {
            let end = bytes.iter().position(|byte| *byte == 0);
            self.is_named = end.is_some();
            let name = end.map_or(bytes.len(), |end| end.saturating_add(1));
            bytes = bytes.get(name..).unwrap_or_default();
        }
        self.rest.push(bytes);
    }

    /// The capabilities of the server, once the packet is complete.
    ///
    /// # Errors
    /// If it is not version 10.
    pub(super) fn capabilities(&self) -> Result<Capabilities, BypassReason> {
        if self.version != Some(PROTOCOL_10) {
            return Err(BypassReason::Unsupported);
        }
        // Thread id (4), scramble (8), filler (1), flags (2), character set (1), status (2), flags (2),
        // length of the scramble (1), filler (6), MariaDB's flags (4).
        let rest = self.rest.bytes();
        let (Some([a, b]), Some([c, d])) = (rest.get(13..15), rest.get(18..20)) else {
            return Err(BypassReason::Unsupported);
        };
        Ok(Capabilities(read(
            Some(&[*a, *b, *c, *d]),
            rest.get(27..31),
        )))
    }
}
