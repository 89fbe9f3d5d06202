//! Arbitrary bytes in arbitrary order: no panic, bounded state, and the same state however the bytes are split.

use crate::conversation::send;
use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{
    MAX_STATE_BYTES, PinReason, Session, SessionState, Side, TcpProtocol, UnsafeReason,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;

/// Messages of each protocol, from which valid and invalid conversations are generated.
fn pieces(protocol: TcpProtocol) -> Vec<&'static [u8]> {
    match protocol {
        TcpProtocol::PostgreSql => vec![
            b"\0\0\0\x09\0\x03\0\0\0",
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"N",
            b"R\0\0\0\x08\0\0\0\0",
            b"Z\0\0\0\x05I",
            b"Z\0\0\0\x05T",
            b"Q\0\0\0\x0dLISTEN a\0",
            b"P\0\0\0\x0fa\0LISTEN a\0",
            b"B\0\0\0\x08\0a\0\0",
            b"S\0\0\0\x04",
            b"E\0\0\0\x09\0\0\0\0\0",
            b"G\0\0\0\x07\0\0\0",
            b"W\0\0\0\x07\0\0\0",
            b"c\0\0\0\x04",
            b"D\x7f\xff\xff\xff",
        ],
        TcpProtocol::MySql => vec![
            b"\x26\0\0\0\x0a8\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xf7\x08\x02\0\x0f\x81\x15\0\0\0\0\0\0\x1d\0\0\0\0\0\0\0",
            b"\x20\0\0\x01\x0d\xa2\x0f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\x07\0\0\x02\0\0\0\x02\0\0\0",
            b"\x07\0\0\x02\0\0\0\x0b\0\0\0",
            b"\x07\0\0\x02\0\0\0\x03\0\0\0",
            b"\x09\0\0\0\x03SELECT 1",
            b"\x09\0\0\0\x16SELECT 1",
            b"\x0a\0\0\0\x17\x01\0\0\0\x01\x01\0\0\0",
            b"\x09\0\0\0\x1c\x01\0\0\0\x01\0\0\0",
            b"\x05\0\0\0\x19\x01\0\0\0",
            b"\x01\0\0\0\x0e",
            b"\x01\0\0\x01\x01",
            b"\x04\0\0\x02\x03def",
            b"\x05\0\0\x03\xfe\0\0\x42\0",
            b"\x03\0\0\x04\xff\x01\x02",
            b"\x02\0\0\x01\xfba",
            b"\0\0\0\x02",
            b"\x0c\0\0\x01\0\x01\0\0\0\x01\0\x02\0\0\0\0",
            b"\xff\xff\xff\x01",
        ],
        TcpProtocol::Redis => vec![
            b"*1\r\n$4\r\nPING\r\n",
            b"*1\r\n$5\r\nMULTI\r\n",
            b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n",
            b"*1\r\n$11\r\nUNSUBSCRIBE\r\n",
            b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n",
            b"HELLO 3\r\n",
            b"MONITOR\r\n",
            b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
            b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
            b"+OK\r\n",
            b"*2\r\n",
            b"%1\r\n",
            b"|999999999999999999\r\n",
            b"$5\r\n",
            b"$999999999999999999\r\n",
            b"\r\n",
        ],
        TcpProtocol::Nats => vec![
            b"INFO {\"a\":1}\r\n",
            b"CONNECT {\"verbose\":false}\r\n",
            b"CONNECT {\"verbose\":true}\r\n",
            b"PING\r\n",
            b"PONG\r\n",
            b"+OK\r\n",
            b"-ERR 'a'\r\n",
            b"SUB a.* 1\r\n",
            b"PUB a 2\r\nab\r\n",
            b"PUB a b.c 0\r\n\r\n",
            b"HPUB b.c 12 14\r\nNATS/1.0\r\n\r\nab\r\n",
            b"MSG b.c 1 2\r\nab\r\n",
            b"MSG a 1 d 2\r\nab\r\n",
            b"HMSG a 1 e 12 4294967295\r\n",
            b"pub ",
            b"\r\n",
        ],
        TcpProtocol::Mqtt => vec![
            b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a",
            b"\x10\x13\0\x04MQTT\x05\0\0\x3c\x05\x11\0\0\0\x3c\0\x01a",
            b"\x20\x02\0\0",
            b"\x20\x03\0\0\0",
            b"\x30\x04\0\x01ab",
            b"\x32\x06\0\x01a\0\x01b",
            b"\x34\x06\0\x01a\0\x02b",
            b"\x40\x02\0\x01",
            b"\x50\x02\0\x02",
            b"\x50\x03\0\x02\x97",
            b"\x62\x02\0\x02",
            b"\x70\x02\0\x02",
            b"\x82\x06\0\x01\0\x01a\x01",
            b"\x90\x03\0\x01\x01",
            b"\xc0\0",
            b"\xd0\0",
            b"\xe0\0",
            b"\xf0\x01\x18",
            b"\x32\xff\xff\xff\x7f",
        ],
        TcpProtocol::Amqp => vec![
            b"AMQP\0\0\x09\x01",
            b"\x01\0\0\0\0\0\x05\0\x0a\0\x29\0\xce",
            b"\x01\0\x01\0\0\0\x05\0\x14\0\x0a\0\xce",
            b"\x01\0\x01\0\0\0\x08\0\x14\0\x0b\0\0\0\0\xce",
            b"\x01\0\x01\0\0\0\x05\0\x55\0\x0a\0\xce",
            b"\x01\0\x01\0\0\0\x09\0\x3c\0\x28\0\0\0\0\0\xce",
            b"\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\x03\0\0\xce",
            b"\x03\0\x01\0\0\0\x03abc\xce",
            b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0\x01\0\xce",
            b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0\x02\x01\xce",
            b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x14\0\0\0\0\0\0\0\0\0\xce",
            b"\x01\0\x01\0\0\0\x11\0\x3c\0\x3c\x01a\0\0\0\0\0\0\0\x01\0\0\0\xce",
            b"\x01\0\x01\0\0\0\x04\0\x5a\0\x0a\xce",
            b"\x01\0\x01\0\0\0\x04\0\x14\0\x29\xce",
            b"\x08\0\0\0\0\0\0\xce",
            b"\x03\0\x01\xff\xff\xff\xff",
        ],
    }
}

fn step(protocol: TcpProtocol) -> impl Strategy<Value = (Side, Vec<u8>)> {
    let piece = prop_oneof![
        8 => select(pieces(protocol)).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..12),
    ];
    (prop_oneof![Just(Side::Client), Just(Side::Server)], piece)
}

fn conversation() -> impl Strategy<Value = (TcpProtocol, Vec<(Side, Vec<u8>)>)> {
    select(&TcpProtocol::ALL[..])
        .prop_flat_map(|protocol| (Just(protocol), vec(step(protocol), 0..40)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn state_does_not_depend_on_how_bytes_are_split(
        (protocol, steps) in conversation(),
        size in 1..9_usize,
    ) {
        let run = |size: usize| {
            let mut session = Session::new(protocol);
            for (side, bytes) in &steps {
                for piece in bytes.chunks(size) {
                    send(&mut session, *side, piece);
                    assert!(session.state_bytes() <= MAX_STATE_BYTES);
                }
            }
            session.state()
        };
        prop_assert_eq!(run(size), run(usize::MAX));
    }
}

#[test]
fn new_session_has_its_stated_size() {
    let sizes = TcpProtocol::ALL.map(|protocol| (protocol, Session::new(protocol).state_bytes()));
    let stated = [
        (TcpProtocol::PostgreSql, 280),
        (TcpProtocol::MySql, 352),
        (TcpProtocol::Redis, 248),
        (TcpProtocol::Nats, 872),
        (TcpProtocol::Mqtt, 408),
        (TcpProtocol::Amqp, 336),
    ];
    assert_eq!(sizes, stated);
}

/// Feeds a session messages that grow its state as far as possible, and returns the largest size.
fn largest_state(
    protocol: TcpProtocol,
    open: &[(Side, &[u8])],
    message: impl Fn(u16) -> (Side, Vec<u8>),
) -> usize {
    let mut session = Session::new(protocol);
    for (side, bytes) in open {
        send(&mut session, *side, bytes);
    }
    let mut largest = session.state_bytes();
    for number in 0..2000 {
        let (side, bytes) = message(number);
        send(&mut session, side, &bytes);
        largest = largest.max(session.state_bytes());
    }
    largest
}

#[test]
fn state_stays_within_its_limit() {
    let alternate = |number: u16| {
        if number.is_multiple_of(2) {
            Side::Client
        } else {
            Side::Server
        }
    };
    let nats: [(Side, &[u8]); 3] = [
        (Side::Server, b"INFO {}\r\n"),
        (Side::Client, b"CONNECT {}\r\nPING\r\n"),
        (Side::Server, b"PONG\r\n"),
    ];
    let nats = largest_state(TcpProtocol::Nats, &nats, |number| {
        let side = alternate(number);
        let line = match side {
            Side::Client => format!("PUB a r{number} 0\r\n\r\n"),
            Side::Server => format!("MSG a 1 r{number} 0\r\n\r\n"),
        };
        (side, line.into_bytes())
    });
    let mqtt: [(Side, &[u8]); 2] = [
        (Side::Client, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a"),
        (Side::Server, b"\x20\x02\0\0"),
    ];
    let mqtt = largest_state(TcpProtocol::Mqtt, &mqtt, |number| {
        let [high, low] = (number * 2).to_be_bytes();
        (alternate(number), vec![0x32, 4, 0, 0, high, low])
    });
    let amqp: [(Side, &[u8]); 2] = [
        (Side::Client, b"AMQP\0\0\x09\x01"),
        (Side::Server, b"\x01\0\0\0\0\0\x05\0\x0a\0\x29\0\xce"),
    ];
    let amqp = largest_state(TcpProtocol::Amqp, &amqp, |number| {
        // Up to the limit, channels with a consumer; then scattered deliveries.
        let [high, low] = (number % 128 + 1).to_be_bytes();
        if number < 128 {
            let open = [&[1, high, low, 0, 0, 0, 5, 0, 20, 0, 10, 0, 0xce][..]];
            let consume = [1, high, low, 0, 0, 0, 9, 0, 60, 0, 20, 0, 0, 0, 0, 0, 0xce];
            return (Side::Client, [open[0], &consume].concat());
        }
        let [a, b] = (number / 128 * 2).to_be_bytes();
        let deliver = [
            1, high, low, 0, 0, 0, 15, 0, 60, 0, 60, 0, 0, 0, 0, 0, 0, 0, a, b, 0, 0, 0xce,
        ];
        let header = [
            2, high, low, 0, 0, 0, 12, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xce,
        ];
        (Side::Server, [&deliver[..], &header].concat())
    });
    for (protocol, largest) in [("nats", nats), ("mqtt", mqtt), ("amqp", amqp)] {
        assert!(
            (4000..=MAX_STATE_BYTES).contains(&largest),
            "{protocol}: {largest}"
        );
    }
}

#[test]
fn bypassed_session_stays_bypassed() {
    for protocol in TcpProtocol::ALL {
        let mut session = Session::new(protocol);
        session.client(&mut &[0xff; 64][..]);
        session.server(&mut &[0xff; 64][..]);
        let state = session.state();
        assert!(matches!(state, SessionState::Bypassed(_)), "{protocol:?}");
        session.client(&mut &b"\0\0\0\x09\0\x03\0\0\0"[..]);
        assert_eq!(session.state(), state);
        assert!(session.state_bytes() <= 32);
    }
}

#[test]
fn source_with_fewer_bytes_than_it_says_is_bypassed() {
    struct Short;
    impl evenkeel_wire::ByteSource for Short {
        fn len(&self) -> usize {
            5
        }
        fn read(&mut self, _: usize, _: usize) -> Vec<u8> {
            Vec::new()
        }
    }
    for protocol in TcpProtocol::ALL {
        let mut session = Session::new(protocol);
        session.client(&mut Short);
        session.server(&mut Short);
        let expected = SessionState::Bypassed(BypassReason::Unreadable);
        assert_eq!(session.state(), expected, "{protocol:?}");
    }
}

#[test]
fn names_of_reasons_are_unique() {
    let names = [
        UnsafeReason::ALL.map(UnsafeReason::name).to_vec(),
        PinReason::ALL.map(PinReason::name).to_vec(),
        BypassReason::ALL.map(BypassReason::name).to_vec(),
        TcpProtocol::ALL.map(TcpProtocol::name).to_vec(),
    ];
    for names in names {
        let unique: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
    }
}
