//! What identifies an upstream connection.

/// Identifies one upstream connection by its two addresses, as Envoy has them in its properties.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionKey {
    /// The server's address: `upstream.address`.
    pub address: Vec<u8>,
    /// The proxy's own address: `upstream.local_address`.
    pub local: Vec<u8>,
}

impl ConnectionKey {
    /// Whether no other connection has this key.
    ///
    /// A local address of IP and port names one connection. Connections to a unix socket have none, and
    /// those through an internal listener (HBONE) share one that is not an IP address: under such a key
    /// requests are counted together, and one connection ends for each limit that they reach.
    pub fn identifies_connection(&self) -> bool {
        let is_ip = matches!(self.local.first(), Some(b'[' | b'0'..=b'9'));
        is_ip && self.local.contains(&b':')
    }

    /// Adds the cluster to a key that does not identify a connection: two clusters may have one server.
    pub(super) fn set_cluster(&mut self, cluster: &[u8]) {
        self.local = [b"@", cluster].concat();
    }
}
