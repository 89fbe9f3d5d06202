//! The Close frame (RFC 6455 5.5.1), the drain signal of WebSockets.

/// The status code of a Close frame (RFC 6455 7.4.1 and the IANA registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusCode {
    /// 1001
    GoingAway,
    /// 1012
    ServiceRestart,
}

/// The reason of the Close frame, for people.
const REASON: &[u8; 16] = b"please reconnect";

/// Returns an unmasked Close frame, as a server sends it.
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
