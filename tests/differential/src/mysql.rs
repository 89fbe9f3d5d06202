//! Random commands and responses, split anywhere: the session is compared with what the `mysql_common`
//! crate writes and reads.

use bytes::BytesMut;
use evenkeel_wire::tcp::{Session, SessionState, TcpProtocol, UnsafeReason};
use mysql_common::constants::{CapabilityFlags, StatusFlags};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{
    AuthPlugin, CommonOkPacket, HandshakePacket, HandshakeResponse, OkPacketDeserializer,
    OldEofPacket, ResultSetTerminator,
};
use mysql_common::proto::MySerialize;
use mysql_common::proto::codec::PacketCodec;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Exchange {
    Ping,
    Update {
        status: u16,
    },
    Select {
        columns: u8,
        rows: usize,
        size: usize,
        status: u16,
    },
    Fails,
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let status = || prop_oneof![Just(2_u16), Just(3), Just(0x2002), Just(0)];
    let size = prop_oneof![4 => 0..30_usize, 1 => 200..249_usize];
    prop_oneof![
        Just(Exchange::Ping),
        Just(Exchange::Fails),
        status().prop_map(|status| Exchange::Update { status }),
        (1..4_u8, 0..5_usize, size, status()).prop_map(|(columns, rows, size, status)| {
            Exchange::Select {
                columns,
                rows,
                size,
                status,
            }
        }),
    ]
}

/// Writes payloads as packets, in one sequence.
fn packets(payloads: &[Vec<u8>], first: u8) -> Vec<u8> {
    let mut codec = PacketCodec::default();
    let mut bytes = BytesMut::new();
    for payload in payloads {
        codec.encode(&mut &payload[..], &mut bytes).unwrap();
    }
    // The codec of a side begins at 0; the other side's numbers do not matter here, but a command's do.
    bytes[3] = first;
    bytes.to_vec()
}

impl Exchange {
    fn client(self) -> Vec<u8> {
        let payload = match self {
            Self::Ping => b"\x0e".to_vec(),
            Self::Update { .. } | Self::Fails => b"\x03UPDATE a SET b = 1".to_vec(),
            Self::Select { .. } => b"\x03SELECT a FROM b".to_vec(),
        };
        packets(&[payload], 0)
    }

    fn server(self, deprecates_eof: bool) -> Vec<Vec<u8>> {
        let ok = |code: u8, status: u16| {
            let [low, high] = status.to_le_bytes();
            vec![code, 0, 0, low, high, 0, 0]
        };
        let eof = |status: u16| match deprecates_eof {
            true => ok(0xfe, status),
            false => {
                let [low, high] = status.to_le_bytes();
                vec![0xfe, 0, 0, low, high]
            }
        };
        match self {
            Self::Ping => vec![ok(0, 2)],
            Self::Update { status } => vec![ok(0, status)],
            Self::Fails => vec![b"\xff\x48\x04#HY000failed".to_vec()],
            Self::Select {
                columns,
                rows,
                size,
                status,
            } => {
                let mut payloads = vec![vec![columns]];
                payloads.extend(vec![
                    b"\x03def\0\0\0\x01a\0\x0c".to_vec();
                    usize::from(columns)
                ]);
                if !deprecates_eof {
                    payloads.push(eof(status));
                }
                let mut value = vec![u8::try_from(size).unwrap()];
                value.extend(vec![0xfe; size]);
                payloads.extend(vec![value.repeat(usize::from(columns)); rows]);
                payloads.push(eof(status));
                payloads
            }
        }
    }

    /// The state that the reference implementation reads in the last packet of the response.
    fn end(self, last: &[u8], capabilities: CapabilityFlags, before: StatusFlags) -> StatusFlags {
        match self {
            Self::Fails if !before.contains(StatusFlags::SERVER_STATUS_AUTOCOMMIT) => {
                before | StatusFlags::SERVER_STATUS_IN_TRANS
            }
            Self::Fails => before,
            Self::Select { .. } if last.len() == 5 => {
                let eof: OkPacketDeserializer<'_, OldEofPacket> =
                    ParseBuf(last).parse(capabilities).unwrap();
                eof.into_inner().status_flags()
            }
            Self::Select { .. } => {
                let ok: OkPacketDeserializer<'_, ResultSetTerminator> =
                    ParseBuf(last).parse(capabilities).unwrap();
                ok.into_inner().status_flags()
            }
            Self::Ping | Self::Update { .. } => {
                let ok: OkPacketDeserializer<'_, CommonOkPacket> =
                    ParseBuf(last).parse(capabilities).unwrap();
                ok.into_inner().status_flags()
            }
        }
    }
}

fn connect(session: &mut Session, capabilities: CapabilityFlags) {
    let greeting = HandshakePacket::new(
        10,
        &b"8.0.36"[..],
        7,
        [1; 8],
        Some(&[2; 13][..]),
        capabilities | CapabilityFlags::CLIENT_SSL | CapabilityFlags::CLIENT_COMPRESS,
        45,
        StatusFlags::SERVER_STATUS_AUTOCOMMIT,
        Some(&b"mysql_native_password"[..]),
    );
    let mut payload = Vec::new();
    greeting.serialize(&mut payload);
    session.server(&mut &packets(&[payload], 0)[..]);
    let plugin = Some(AuthPlugin::MysqlNativePassword);
    let login = HandshakeResponse::new(
        Some(&[3; 20][..]),
        (8, 0, 36),
        Some(&b"app"[..]),
        None::<&[u8]>,
        plugin,
        capabilities,
        None,
        1 << 24,
    );
    let mut payload = Vec::new();
    login.serialize(&mut payload);
    session.client(&mut &packets(&[payload], 1)[..]);
    session.server(&mut &packets(&[vec![0, 0, 0, 2, 0, 0, 0]], 2)[..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn session_agrees_with_the_reference(
        exchanges in vec(exchange(), 1..8),
        pipelined in 1..4_usize,
        deprecates_eof in any::<bool>(),
        cuts in vec(prop_oneof![1..8_usize, 1..900_usize], 1..20),
    ) {
        let mut cuts = cuts.into_iter().cycle();
        let mut capabilities = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_PLUGIN_AUTH;
        capabilities.set(CapabilityFlags::CLIENT_DEPRECATE_EOF, deprecates_eof);
        let mut session = Session::new(TcpProtocol::MySql);
        connect(&mut session, capabilities);
        prop_assert_eq!(session.state(), SessionState::SafeWhenIdle);
        let mut status = StatusFlags::SERVER_STATUS_AUTOCOMMIT;
        for group in exchanges.chunks(pipelined) {
            let client: Vec<u8> = group.iter().flat_map(|exchange| exchange.client()).collect();
            for mut piece in client.chunks(cuts.next().unwrap()) {
                session.client(&mut piece);
            }
            prop_assert_eq!(session.state(), SessionState::Unsafe(UnsafeReason::Response));
            for (index, exchange) in group.iter().enumerate() {
                let server = packets(&exchange.server(deprecates_eof), 0);
                let mut codec = PacketCodec::default();
                let (mut unread, mut decoded, mut last) = (BytesMut::new(), 0, Vec::new());
                for mut piece in server.chunks(cuts.next().unwrap()) {
                    unread.extend_from_slice(piece);
                    session.server(&mut piece);
                    loop {
                        let mut payload = Vec::new();
                        if !codec.decode(&mut unread, &mut payload).unwrap() {
                            break;
                        }
                        decoded += 1;
                        last = payload;
                    }
                    let is_complete = decoded == exchange.server(deprecates_eof).len();
                    if is_complete {
                        status = exchange.end(&last, capabilities, status);
                    }
                    let in_transaction = StatusFlags::SERVER_STATUS_IN_TRANS
                        | StatusFlags::SERVER_STATUS_IN_TRANS_READONLY;
                    let expected = if !is_complete || index + 1 < group.len() {
                        SessionState::Unsafe(UnsafeReason::Response)
                    } else if status.intersects(in_transaction) {
                        SessionState::Unsafe(UnsafeReason::Transaction)
                    } else {
                        SessionState::SafeWhenIdle
                    };
                    prop_assert_eq!(session.state(), expected);
                }
            }
        }
    }
}
