//! MySQL and MariaDB: conversations by the documentation of the protocol.

mod command;
mod messages;
mod response;

use crate::conversation::Conversation;
use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{Session, SessionState, TcpProtocol, UnsafeReason};
use messages::*;

fn greeted(capabilities: u64) -> Conversation {
    let mut conversation = Conversation::new(TcpProtocol::MySql);
    conversation.server(greeting(
        capabilities | SSL | PROTOCOL_41 | OPTIONAL_METADATA,
    ));
    conversation
}

fn connected(capabilities: u64) -> Conversation {
    let mut conversation = greeted(capabilities);
    conversation
        .client(login(capabilities | PROTOCOL_41))
        .server(ok(2, AUTOCOMMIT));
    conversation
}

/// The dialects of the protocol in which result sets differ.
const DIALECTS: [u64; 3] = [MYSQL, MYSQL | DEPRECATE_EOF, DEPRECATE_EOF | PROGRESS];

#[test]
fn login_is_a_handshake_until_ok() {
    Conversation::new(TcpProtocol::MySql)
        .is_unsafe(UnsafeReason::Handshake)
        .server(greeting(MYSQL | PROTOCOL_41))
        .is_unsafe(UnsafeReason::Handshake)
        .client(login(MYSQL | PROTOCOL_41))
        .server(packet(2, b"\xfecaching_sha2_password\0scramble\0"))
        .client(packet(3, &[3; 32]))
        .server(packet(4, b"\x01\x03"))
        .is_unsafe(UnsafeReason::Handshake)
        .server(ok(5, AUTOCOMMIT))
        .is_safe_when_idle();
}

#[test]
fn rejected_login_is_closing() {
    Conversation::new(TcpProtocol::MySql)
        .server(error(0))
        .is_unsafe(UnsafeReason::Closing);
    greeted(MYSQL)
        .client(login(MYSQL | PROTOCOL_41))
        .server(error(2))
        .is_unsafe(UnsafeReason::Closing);
}

#[test]
fn encryption_and_compression_are_bypassed() {
    let flags = (MYSQL | SSL | PROTOCOL_41).to_le_bytes();
    let ssl_request = [&flags[..4], &[0, 0, 0, 1, 45], &[0; 23]].concat();
    greeted(MYSQL)
        .client(packet(1, &ssl_request))
        .is_bypassed(BypassReason::Encrypted);
    greeted(MYSQL | COMPRESS)
        .client(login(MYSQL | PROTOCOL_41 | COMPRESS))
        .is_bypassed(BypassReason::Compressed);
    greeted(MYSQL)
        .client(login(MYSQL | PROTOCOL_41 | COMPRESS))
        .is_unsafe(UnsafeReason::Handshake);
    greeted(MYSQL)
        .client(login(MYSQL | PROTOCOL_41 | OPTIONAL_METADATA))
        .is_bypassed(BypassReason::Unsupported);
    greeted(MYSQL)
        .client(login(MYSQL))
        .is_bypassed(BypassReason::Unsupported);
}

#[test]
fn end_by_either_side_is_closing() {
    connected(MYSQL)
        .client(command(1, b""))
        .is_unsafe(UnsafeReason::Closing);
    connected(MYSQL)
        .server(error(0))
        .is_unsafe(UnsafeReason::Closing);
}

#[test]
fn bytes_that_are_not_the_protocol_are_bypassed() {
    Conversation::new(TcpProtocol::MySql)
        .client(query("SELECT 1"))
        .is_bypassed(BypassReason::OutOfStep);
    Conversation::new(TcpProtocol::MySql)
        .server(packet(0, b"\x09old\0"))
        .is_bypassed(BypassReason::Unsupported);
    connected(MYSQL)
        .client(packet(1, b"\x03SELECT 1"))
        .is_bypassed(BypassReason::OutOfStep);
    connected(MYSQL)
        .client(command(0x20, b""))
        .is_bypassed(BypassReason::Unsupported);
    connected(MYSQL)
        .server(ok(1, AUTOCOMMIT))
        .is_bypassed(BypassReason::OutOfStep);
    connected(MYSQL)
        .client(command(14, b""))
        .server(packet(1, &[0, 0]))
        .is_bypassed(BypassReason::Malformed);
}

#[test]
fn payload_of_several_packets_is_one_message() {
    let long = |code: u8, sequence| {
        let first = packet(sequence, &[&[code], &vec![b' '; 0xff_fffe][..]].concat());
        [first, packet(sequence + 1, b"\x01\x02")].concat()
    };
    let mut session = Session::new(TcpProtocol::MySql);
    session.server(&mut &greeting(MYSQL | PROTOCOL_41)[..]);
    session.client(&mut &login(MYSQL | PROTOCOL_41)[..]);
    session.server(&mut &ok(2, AUTOCOMMIT)[..]);
    session.client(&mut &long(3, 0)[..]);
    // A row of 16 MiB, whose first byte is that of an EOF, and its second packet, that of an ERR.
    let head = [packet(1, &[1]), definitions(MYSQL, 1)].concat();
    let rows = [packet(4, &vec![0xfe; 0xff_ffff]), packet(5, b"\xff")].concat();
    session.server(&mut &[head, rows].concat()[..]);
    let pending = SessionState::Unsafe(UnsafeReason::Response);
    assert_eq!(session.state(), pending);
    session.server(&mut &eof(MYSQL, AUTOCOMMIT)[..]);
    assert_eq!(session.state(), SessionState::SafeWhenIdle);
}
