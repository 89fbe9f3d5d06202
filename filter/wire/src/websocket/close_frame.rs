//! The Close frame (RFC 6455 5.5.1) that announces the end of a connection.

/// Why the connection is closed, as the client is told (RFC 6455 7.4.1, and IANA's registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusCode {
    /// 1001
    GoingAway,
    /// 1012
    ServiceRestart,
}

/// What a person reads in the client's log.
const REASON: &[u8; 16] = b"please reconnect";

/// A server's Close frame.
pub fn close_frame(status: StatusCode) -> Vec<u8> {
    let status: u16 = match status {
        StatusCode::GoingAway => 1001,
        StatusCode::ServiceRestart => 1012,
    };
    let (fin_and_close, length) = (0x88, 18);
    let mut frame = vec![fin_and_close, length];
    frame.extend(status.to_be_bytes());
    frame.extend(REASON);
    frame
}
