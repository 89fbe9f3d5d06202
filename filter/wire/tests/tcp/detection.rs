//! Which protocol is detected from a port and first bytes.

use evenkeel_wire::tcp::{MAX_DETECTED, Side, TcpDetection, TcpProtocol, detect};
use proptest::collection::vec;
use proptest::prelude::*;

const FIRST_BYTES: [(TcpProtocol, Side, &[u8]); 16] = [
    (
        TcpProtocol::PostgreSql,
        Side::Client,
        b"\0\0\0\x20\0\x03\0\0user\0",
    ),
    (
        TcpProtocol::PostgreSql,
        Side::Client,
        b"\0\0\0\x20\0\x03\0\x02user\0",
    ),
    (
        TcpProtocol::PostgreSql,
        Side::Client,
        b"\0\0\0\x08\x04\xd2\x16\x2f",
    ),
    (
        TcpProtocol::PostgreSql,
        Side::Client,
        b"\0\0\0\x08\x04\xd2\x16\x30",
    ),
    (
        TcpProtocol::PostgreSql,
        Side::Client,
        b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\0\0\0\0\0",
    ),
    (TcpProtocol::MySql, Side::Server, b"\x4a\0\0\0\x0a8.0.36\0"),
    (
        TcpProtocol::MySql,
        Side::Server,
        b"\x59\0\0\0\x0a5.5.5-10.11.6-MariaDB\0",
    ),
    (TcpProtocol::Redis, Side::Client, b"*1\r\n$4\r\nPING\r\n"),
    (
        TcpProtocol::Redis,
        Side::Client,
        b"*100000\r\n$4\r\nMSET\r\n",
    ),
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
    (
        TcpProtocol::Mqtt,
        Side::Client,
        b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0",
    ),
    (
        TcpProtocol::Mqtt,
        Side::Client,
        b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01a",
    ),
    (
        TcpProtocol::Mqtt,
        Side::Client,
        b"\x10\xff\xff\xff\x7f\0\x04MQTT\x05\x02\0\x3c",
    ),
    (TcpProtocol::Amqp, Side::Client, b"AMQP\0\0\x09\x01"),
    (
        TcpProtocol::Redis,
        Side::Client,
        b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
    ),
];

#[test]
fn first_bytes_are_detected_once_there_are_enough() {
    for (protocol, side, bytes) in FIRST_BYTES {
        for port in [None, Some(9999), Some(protocol.well_known_port())] {
            let matched = TcpDetection::Matched(protocol);
            let enough = (0..=bytes.len())
                .find(|end| detect(port, side, &bytes[..*end]) != TcpDetection::NeedMore)
                .unwrap();
            assert!(0 < enough && enough <= MAX_DETECTED, "{bytes:?}");
            for end in enough..=bytes.len() {
                assert_eq!(detect(port, side, &bytes[..end]), matched, "{bytes:?}");
            }
        }
    }
}

#[test]
fn well_known_port_of_another_protocol_matches_none() {
    for (protocol, side, bytes) in FIRST_BYTES {
        for other in TcpProtocol::ALL
            .into_iter()
            .filter(|other| *other != protocol)
        {
            let detection = detect(Some(other.well_known_port()), side, bytes);
            assert_eq!(detection, TcpDetection::None, "{other:?} {bytes:?}");
        }
    }
}

#[test]
fn bytes_of_the_other_peer_match_none() {
    for (_, side, bytes) in FIRST_BYTES {
        let other = match side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        assert_eq!(detect(None, other, bytes), TcpDetection::None, "{bytes:?}");
    }
}

#[test]
fn inline_command_needs_the_well_known_port() {
    let matched = TcpDetection::Matched(TcpProtocol::Redis);
    assert_eq!(detect(Some(6379), Side::Client, b"PING\r\n"), matched);
    assert_eq!(
        detect(Some(80), Side::Client, b"PING\r\n"),
        TcpDetection::None
    );
}

#[test]
fn other_protocols_match_none() {
    let client: [&[u8]; 8] = [
        b"\x16\x03\x01\x02\0\x01",
        b"GET / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"AMQP\0\x01\0\0",
        b"\x10\x0d\0\x04HTTP",
        b"\0\0\0\x09\0\x02\0\0\0",
        b"*1\r\nPING",
    ];
    for bytes in client {
        assert_eq!(
            detect(None, Side::Client, bytes),
            TcpDetection::None,
            "{bytes:?}"
        );
    }
    let server: [&[u8]; 4] = [
        b"220 mail.example ESMTP\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x4a\0\0\0\x098.0.36\0",
        b"\x1a\0\0\0\xff\x10\x04Too many connections",
    ];
    for bytes in server {
        assert_eq!(
            detect(None, Side::Server, bytes),
            TcpDetection::None,
            "{bytes:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn more_bytes_never_change_a_detection(
        known in proptest::sample::select(&FIRST_BYTES[..]),
        kept in 0..20_usize,
        tail in vec(any::<u8>(), 0..20),
        port in proptest::sample::select(vec![None, Some(5432), Some(3306), Some(6379), Some(4222), Some(1883), Some(5672)]),
    ) {
        let (_, side, first) = known;
        let bytes = [&first[..kept.min(first.len())], &tail].concat();
        let mut decided = TcpDetection::NeedMore;
        for end in 0..=bytes.len() {
            let detection = detect(port, side, &bytes[..end]);
            if decided != TcpDetection::NeedMore {
                prop_assert_eq!(detection, decided);
            }
            prop_assert!(end < MAX_DETECTED || detection != TcpDetection::NeedMore);
            decided = detection;
        }
    }
}
