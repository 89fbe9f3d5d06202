//! Which scanner follows a connection under a TCP rule.

use evenkeel_wire::tcp::{Session, SessionState, Side, TcpProtocol, UnsafeReason};
use evenkeel_wire::{BypassReason, ConnectionScanner, Detection, ExpectedProtocol, Protocol};

/// The beginning of a connection of each protocol, until the other peer must respond.
const BEGINNINGS: [(TcpProtocol, Side, &[u8]); 6] = [
    (
        TcpProtocol::PostgreSql,
        Side::Client,
        b"\0\0\0\x0f\0\x03\0\0user\0a\0",
    ),
    (
        TcpProtocol::MySql,
        Side::Server,
        b"\x4a\0\0\0\x0a8.0.36\0\x0b\0\0\0",
    ),
    (TcpProtocol::Redis, Side::Client, b"*1\r\n$4\r\nPING\r\n"),
    (
        TcpProtocol::Nats,
        Side::Server,
        b"INFO {\"server_id\":\"a\"}\r\n",
    ),
    (
        TcpProtocol::Mqtt,
        Side::Client,
        b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a",
    ),
    (TcpProtocol::Amqp, Side::Client, b"AMQP\0\0\x09\x01"),
];

const TLS_CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn expecting(port: u16) -> ConnectionScanner {
    ConnectionScanner::expecting(ExpectedProtocol::Detected { port })
}

fn scan(scanner: &mut ConnectionScanner, side: Side, mut bytes: &[u8]) {
    match side {
        Side::Client => {
            scanner.scan_downstream(&mut bytes);
        }
        Side::Server => {
            scanner.scan_upstream(&mut bytes);
        }
    }
}

fn detected(protocol: TcpProtocol) -> Detection {
    Detection::Detected(Protocol::Session(protocol))
}

#[test]
fn database_or_broker_is_followed_from_its_first_byte() {
    for (protocol, side, bytes) in BEGINNINGS {
        let mut reference = Session::new(protocol);
        match side {
            Side::Client => reference.client(&mut &*bytes),
            Side::Server => reference.server(&mut &*bytes),
        }
        for port in [9999, protocol.well_known_port()] {
            for at in 0..=bytes.len() {
                let mut scanner = expecting(port);
                scan(&mut scanner, side, &bytes[..at]);
                scan(&mut scanner, side, &bytes[at..]);
                assert_eq!(scanner.detection(), detected(protocol), "split at {at}");
                assert_eq!(
                    scanner.progress().session,
                    Some(reference.state()),
                    "split at {at}"
                );
            }
        }
    }
}

#[test]
fn redis_connection_is_safe_when_idle_after_the_response() {
    let mut scanner = expecting(6379);
    for byte in *b"*1\r\n$4\r\nPING\r\n" {
        scan(&mut scanner, Side::Client, &[byte]);
    }
    let pending = SessionState::Unsafe(UnsafeReason::Response);
    assert_eq!(scanner.progress().session, Some(pending));

    scan(&mut scanner, Side::Server, b"+PONG\r\n");

    assert_eq!(scanner.progress().session, Some(SessionState::SafeWhenIdle));
}

#[test]
fn http_on_the_port_of_a_database_stays_http() {
    for protocol in TcpProtocol::ALL {
        for at in 0..=GET.len() {
            let mut scanner = expecting(protocol.well_known_port());
            scan(&mut scanner, Side::Client, &GET[..at]);
            scan(&mut scanner, Side::Client, &GET[at..]);
            assert_eq!(
                scanner.detection(),
                Detection::Detected(Protocol::Http1),
                "{protocol:?}, split at {at}"
            );
            assert_eq!(
                scanner.progress().requests,
                1,
                "{protocol:?}, split at {at}"
            );
        }
    }
}

#[test]
fn other_bytes_on_the_port_of_a_database_are_bypassed() {
    for protocol in TcpProtocol::ALL {
        for (side, bytes, reason) in [
            (Side::Client, TLS_CLIENT_HELLO, BypassReason::Encrypted),
            (Side::Client, b"\x80\x01\r\n", BypassReason::Malformed),
            (Side::Server, b"\x80\x01\r\n", BypassReason::Malformed),
        ] {
            let mut scanner = expecting(protocol.well_known_port());
            scan(&mut scanner, side, bytes);
            assert_eq!(
                scanner.detection(),
                Detection::Bypassed(reason),
                "{protocol:?}"
            );
        }
    }
}

#[test]
fn other_bytes_elsewhere_are_raw_tcp() {
    for (side, bytes) in [
        (Side::Client, TLS_CLIENT_HELLO),
        (Side::Client, b"\x80\x01\r\n"),
        (Side::Server, b"220 ready\r\n"),
    ] {
        let mut scanner = expecting(9999);
        scan(&mut scanner, side, bytes);
        assert_eq!(scanner.detection(), Detection::Detected(Protocol::Tcp));
        assert_eq!(scanner.progress().session, None);
        assert!(scanner.is_known_raw());
        // The same without a rule.
        let mut scanner = ConnectionScanner::new();
        scan(&mut scanner, side, bytes);
        assert!(scanner.is_known_raw());
    }
}

#[test]
fn response_to_an_incomplete_first_message_matches_no_protocol() {
    let mut scanner = expecting(9999);
    scan(&mut scanner, Side::Client, b"AMQP");
    scan(
        &mut scanner,
        Side::Server,
        b"INFO {\"server_id\":\"a\"}\r\n",
    );
    assert_eq!(scanner.detection(), Detection::Detected(Protocol::Tcp));
}

#[test]
fn stated_protocol_is_never_taken_for_http() {
    for protocol in [TcpProtocol::Amqp, TcpProtocol::Mqtt] {
        let mut scanner = ConnectionScanner::expecting(ExpectedProtocol::Stated(protocol));
        assert_eq!(scanner.detection(), detected(protocol));
        scan(&mut scanner, Side::Client, GET);
        let bypassed = Detection::Bypassed(BypassReason::Malformed);
        assert_eq!(scanner.detection(), bypassed);
        assert_eq!(scanner.progress().requests, 0);
    }
}

#[test]
fn database_without_a_rule_is_tcp_but_not_known_to_be_raw() {
    for (protocol, side, bytes) in BEGINNINGS {
        for at in 0..=bytes.len() {
            let mut scanner = ConnectionScanner::new();
            scan(&mut scanner, side, &bytes[..at]);
            scan(&mut scanner, side, &bytes[at..]);
            if scanner.detection() != Detection::Pending {
                let tcp = Detection::Detected(Protocol::Tcp);
                assert_eq!(scanner.detection(), tcp, "{protocol:?}, split at {at}");
            }
            assert!(!scanner.is_known_raw(), "{protocol:?}, split at {at}");
        }
    }
}
