//! The messages that report the close of a connection to its client (PostgreSQL documentation, "Message Formats" and
//! "Error and Notice Message Fields").
//!
//! A filter can write to the client only in place of the server. So the client's next request is replaced by
//! [`SYNC`], which executes nothing, and the server's response to that by [`admin_shutdown`].

/// Sync: the server responds with ReadyForQuery.
pub const SYNC: [u8; 5] = *b"S\0\0\0\x04";

/// The type of Terminate, with which a client ends its connection.
pub const TERMINATE: u8 = b'X';

/// The fields of the error that the server sends to each client when it is shut down (Appendix A, class 57).
const FIELDS: &[u8] =
    b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0";

/// ErrorResponse with SQLSTATE 57P01. The length counts itself, but not the type.
pub fn admin_shutdown() -> Vec<u8> {
    let length = u32::try_from(FIELDS.len())
        .unwrap_or_default()
        .saturating_add(4);
    [b"E".as_slice(), &length.to_be_bytes(), FIELDS].concat()
}
