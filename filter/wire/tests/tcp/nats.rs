//! NATS: conversations by the documentation of the client protocol.

use crate::conversation::Conversation;
use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{Session, SessionState, TcpProtocol, UnsafeReason};

const INFO: &str = "INFO {\"server_id\":\"a\",\"max_payload\":1048576,\"headers\":true} \r\n";
const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n";
const PING: &str = "PING\r\n";
const PONG: &str = "PONG\r\n";

fn publish(subject: &str, payload: &str) -> String {
    format!("PUB {subject} {}\r\n{payload}\r\n", payload.len())
}

/// `subject` is followed by the subscription and the reply subject, if there is one.
fn message(subject: &str, payload: &str) -> String {
    format!("MSG {subject} {}\r\n{payload}\r\n", payload.len())
}

fn connected() -> Conversation {
    let mut conversation = Conversation::new(TcpProtocol::Nats);
    conversation
        .server(INFO)
        .client([CONNECT, PING].concat())
        .server(PONG);
    conversation
}

#[test]
fn handshake_ends_with_the_first_pong() {
    Conversation::new(TcpProtocol::Nats)
        .is_unsafe(UnsafeReason::Handshake)
        .server(INFO)
        .is_unsafe(UnsafeReason::Handshake)
        .client(CONNECT)
        .client(PING)
        .is_unsafe(UnsafeReason::Handshake)
        .server(PONG)
        .is_safe();
}

#[test]
fn tls_is_bypassed() {
    for first in ["", INFO] {
        Conversation::new(TcpProtocol::Nats)
            .server(first)
            .client([0x16, 3, 1])
            .is_bypassed(BypassReason::Encrypted);
    }
}

#[test]
fn message_is_unsafe_until_its_last_byte() {
    let mut conversation = connected();
    conversation.client("SUB orders.* 1\r\n").is_safe();
    for whole in [
        publish("orders.new", &"PUB a 1\r\n".repeat(80)),
        publish("a", ""),
    ] {
        for split in [1, 4, 6, whole.len() - 1] {
            connected()
                .client(&whole.as_bytes()[..split])
                .is_unsafe(UnsafeReason::Message)
                .client(&whole.as_bytes()[split..])
                .is_safe();
        }
    }
    let delivery = message("orders.new 1", "PING\r\n");
    conversation
        .server(&delivery.as_bytes()[..20])
        .is_unsafe(UnsafeReason::Message)
        .server(&delivery.as_bytes()[20..])
        .is_safe();
}

#[test]
fn message_with_headers_has_two_sizes() {
    let headers = "NATS/1.0\r\na: b\r\n\r\n";
    let sizes = format!("{} {}", headers.len(), headers.len() + 4);
    connected()
        .client(format!("HPUB a {sizes}\r\n{headers}PING\r\n"))
        .is_safe()
        .server(format!("HMSG a 1 {sizes}\r\n{headers}PING\r\n"))
        .is_safe();
}

#[test]
fn ping_of_either_side_is_unsafe_until_its_pong() {
    connected()
        .client(PING)
        .is_unsafe(UnsafeReason::Ping)
        .server(PONG)
        .is_safe()
        .server(PING)
        .is_unsafe(UnsafeReason::Ping)
        .client("pong\r\n")
        .is_safe();
}

#[test]
fn request_is_unsafe_until_its_reply() {
    connected()
        .client("SUB _INBOX.a.* 1\r\n")
        .client(publish("prices _INBOX.a.1", "?"))
        .is_unsafe(UnsafeReason::Response)
        .server(message("_INBOX.a.2 1", "other"))
        .is_unsafe(UnsafeReason::Response)
        .server(message("_INBOX.a.1 1", "42"))
        .is_safe()
        .client("HPUB prices _INBOX.a.3 12 12\r\nNATS/1.0\r\n\r\n\r\n")
        .is_unsafe(UnsafeReason::Response)
        .server("HMSG _INBOX.a.3 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")
        .is_safe();
}

#[test]
fn request_to_a_service_is_unsafe_until_it_replies() {
    connected()
        .client("SUB prices workers 1\r\n")
        .server(message("prices 1 _INBOX.b.1", "?"))
        .is_unsafe(UnsafeReason::Delivery)
        .client(publish("_INBOX.b.1", "42"))
        .is_safe();
}

#[test]
fn jetstream_delivery_is_unsafe_until_its_acknowledgement() {
    connected()
        .client(publish(
            "$JS.API.CONSUMER.MSG.NEXT.orders.worker _INBOX.a.1",
            "{}",
        ))
        .is_safe()
        .server(message(
            "_INBOX.a.1 1 $JS.ACK.orders.worker.1.1.1.1.0",
            "order",
        ))
        .is_unsafe(UnsafeReason::Delivery)
        .client(publish("$JS.ACK.orders.worker.1.1.1.1.0", "+ACK"))
        .is_safe()
        .client(publish("orders.new _INBOX.a.2", "order"))
        .is_unsafe(UnsafeReason::Response)
        .server(message("_INBOX.a.2 1", "{\"stream\":\"orders\",\"seq\":2}"))
        .is_safe();
}

#[test]
fn verbose_operation_is_unsafe_until_its_ok() {
    Conversation::new(TcpProtocol::Nats)
        .server(INFO)
        .client("CONNECT {\"user\":\"\\\"verbose\",\"verbose\" : true}\r\nPING\r\n")
        .server("+OK\r\nPONG\r\n")
        .is_safe()
        .client([publish("a", "b"), publish("a", "c")].concat())
        .server("+OK\r\n")
        .is_unsafe(UnsafeReason::Response)
        .server("-ERR 'Permissions Violation'\r\n")
        .is_safe();
}

/// A connected session without the checks of [`Conversation`], which take long after many steps.
fn session() -> Session {
    let mut session = Session::new(TcpProtocol::Nats);
    session.server(&mut INFO.as_bytes());
    session.client(&mut [CONNECT, PING].concat().as_bytes());
    session.server(&mut PONG.as_bytes());
    session
}

#[test]
fn request_without_a_reply_is_dropped() {
    let mut session = session();
    session.client(&mut publish("a lost", "").as_bytes());
    for number in 0..1024 {
        assert_eq!(
            session.state(),
            SessionState::Unsafe(UnsafeReason::Response)
        );
        session.client(&mut publish(&format!("a r{number}"), "").as_bytes());
        session.server(&mut message(&format!("r{number} 1"), "").as_bytes());
    }
    assert_eq!(session.state(), SessionState::Safe);
    session.client(&mut publish("a lost", "").as_bytes());
    session.server(&mut PING.as_bytes());
    session.client(&mut PONG.as_bytes());
    assert_eq!(
        session.state(),
        SessionState::Unsafe(UnsafeReason::Response)
    );
    session.server(&mut PING.as_bytes());
    session.client(&mut PONG.as_bytes());
    assert_eq!(session.state(), SessionState::Safe);
}

#[test]
fn subscriber_that_never_replies_does_not_defer() {
    let mut session = session();
    let delivery = message("a 1 reply", "");
    for _ in 0..4096 {
        session.server(&mut delivery.as_bytes());
        assert_eq!(
            session.state(),
            SessionState::Unsafe(UnsafeReason::Delivery)
        );
    }
    session.server(&mut delivery.as_bytes());
    assert_eq!(session.state(), SessionState::Safe);
}

#[test]
fn burst_of_publications_is_unsafe_until_all_are_acknowledged() {
    let mut session = session();
    for number in 0..4000 {
        session.client(&mut publish(&format!("a i{number}"), "").as_bytes());
    }
    for number in 0..4000 {
        assert_eq!(
            session.state(),
            SessionState::Unsafe(UnsafeReason::Response)
        );
        session.server(&mut message(&format!("i{number} 1"), "").as_bytes());
    }
    assert_eq!(session.state(), SessionState::Safe);
}

#[test]
fn bytes_that_are_not_the_protocol_are_bypassed() {
    let malformed = [
        "GET / HTTP/1.1\r\n",
        "CONNECTED\r\n",
        "PUB a\r\n",
        "PUB a b c 1\r\n",
        "PUB a -1\r\n",
        "PUB a 99999999999\r\n",
        "HPUB a 1\r\n",
        "MSG a 1 1\r\nx\r\n",
        "INFO {}\r\n",
    ];
    for line in malformed {
        connected()
            .client(line)
            .is_bypassed(BypassReason::Malformed);
    }
    connected()
        .server("SUB a 1\r\n")
        .is_bypassed(BypassReason::Malformed);
}
