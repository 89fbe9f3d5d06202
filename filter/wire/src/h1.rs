//! HTTP/1.x (RFC 9112): both directions of one connection.
use crate::{Opaque, Source};

/// The longest head that is followed, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;

/// Both directions of an HTTP/1 connection, in step with Envoy's codec.
#[derive(Debug, Default)]
pub struct Connection {}

/// The head of a final answer (status 200 and above, or 101) that ended in a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The offset in this write just before the empty line that ends the head: a field put there is part
    /// of the head. None when that line began in an earlier write.
    pub insert_at: Option<usize>,
    /// `connection: close` would be understood and hurt nobody: the request was HTTP/1.1, has arrived
    /// whole, nothing of a further one has arrived, and the connection is not becoming another protocol.
    pub may_close: bool,
    /// The head itself says `connection: close`, or has no length but the connection's end.
    pub closes: bool,
    /// The head has a `keep-alive` field of its own.
    pub keep_alive_hint: bool,
}

impl Connection {
    /// Takes bytes from the client.
    pub fn downstream(&mut self, _source: &mut impl Source) -> Result<(), Opaque> {
        Ok(())
    }

    /// Takes a write to the client; gives the heads that ended in it, in order.
    pub fn upstream(&mut self, _source: &mut impl Source) -> Result<Vec<Head>, Opaque> {
        Ok(Vec::new())
    }

    /// Requests whose head has arrived whole, since the connection began.
    pub fn requests(&self) -> u64 {
        0
    }

    /// Requests begun (a first byte counts) and not answered to the last byte.
    pub fn active(&self) -> u32 {
        0
    }

    /// The connection has become a tunnel (101, or CONNECT answered by 2xx): its bytes are HTTP no more.
    pub fn is_tunnel(&self) -> bool {
        false
    }
}
