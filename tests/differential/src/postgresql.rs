//! Random conversations, split anywhere: the session is compared with what the `postgres-protocol` crate
//! reads of the same bytes.

use bytes::BytesMut;
use evenkeel_wire::tcp::{Session, SessionState, TcpProtocol, UnsafeReason, shutdown};
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use proptest::collection::vec;
use proptest::prelude::*;

/// A request of the client, and the response of the server.
#[derive(Clone, Debug)]
enum Exchange {
    Query {
        rows: usize,
        size: usize,
        status: u8,
    },
    Extended {
        executions: usize,
        fails: bool,
        status: u8,
    },
    Notice,
}

fn status() -> impl Strategy<Value = u8> {
    prop_oneof![Just(b'I'), Just(b'T'), Just(b'E')]
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let size = prop_oneof![4 => 0..30_usize, 1 => 400..1400_usize];
    prop_oneof![
        3 => (0..4_usize, size, status()).prop_map(|(rows, size, status)| Exchange::Query { rows, size, status }),
        3 => (0..4_usize, any::<bool>(), status())
            .prop_map(|(executions, fails, status)| Exchange::Extended { executions, fails, status }),
        1 => Just(Exchange::Notice),
    ]
}

impl Exchange {
    fn client(&self) -> BytesMut {
        let mut bytes = BytesMut::new();
        match *self {
            Self::Query { size, .. } => {
                let sql = format!("SELECT '{}' FROM a", "x".repeat(size));
                frontend::query(&sql, &mut bytes).unwrap();
            }
            Self::Extended { executions, .. } => {
                frontend::parse("s", "SELECT $1 FROM a", [], &mut bytes).unwrap();
                for _ in 0..executions {
                    let value = |(), to: &mut BytesMut| {
                        to.extend([7; 9]);
                        Ok(IsNull::No)
                    };
                    let bound = frontend::bind("", "s", [1], [()], value, [1], &mut bytes);
                    assert!(bound.is_ok());
                    frontend::execute("", 0, &mut bytes).unwrap();
                }
                frontend::sync(&mut bytes);
            }
            Self::Notice => {}
        }
        bytes
    }

    fn server(&self) -> Vec<u8> {
        let notice = message(b'N', b"SNOTICE\0C00000\0Mx\0\0");
        match *self {
            Self::Query { rows, size, status } => {
                let row = [&[0, 1, 0, 0, 0, 0][..], &vec![b'Z'; size]].concat();
                let rows = message(b'D', &row).repeat(rows);
                let head = message(b'T', &[0, 0]);
                let end = [message(b'C', b"SELECT 1\0"), message(b'Z', &[status])].concat();
                [head, rows, notice, end].concat()
            }
            Self::Extended {
                executions,
                fails,
                status,
            } => {
                let each = [message(b'2', b""), message(b'C', b"SELECT 0\0")].concat();
                let error = if fails {
                    message(b'E', b"SERROR\0C42601\0Mx\0\0")
                } else {
                    Vec::new()
                };
                [
                    message(b'1', b""),
                    each.repeat(executions),
                    error,
                    message(b'Z', &[status]),
                ]
                .concat()
            }
            Self::Notice => notice,
        }
    }
}

fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), payload].concat()
}

/// What the reference implementation has read of the server's bytes.
#[derive(Default)]
struct Reference {
    unread: BytesMut,
    completed: usize,
    status: Option<u8>,
}

impl Reference {
    fn server(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while let Some(message) = Message::parse(&mut self.unread).unwrap() {
            if let Message::ReadyForQuery(body) = message {
                self.status = Some(body.status());
                self.completed += 1;
            }
        }
    }

    fn state(&self, requests: usize) -> SessionState {
        let reason = if self.completed <= requests {
            UnsafeReason::Response
        } else if self.status != Some(b'I') {
            UnsafeReason::Transaction
        } else if !self.unread.is_empty() {
            UnsafeReason::Message
        } else {
            return SessionState::SafeWhenIdle;
        };
        SessionState::Unsafe(reason)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn session_agrees_with_the_reference(
        exchanges in vec(exchange(), 0..8),
        pipelined in 1..4_usize,
        cuts in vec(prop_oneof![1..8_usize, 1..900_usize], 1..20),
    ) {
        let mut cuts = cuts.into_iter().cycle();
        let mut session = Session::new(TcpProtocol::PostgreSql);
        let mut reference = Reference::default();
        let mut startup = BytesMut::new();
        frontend::startup_message([("user", "app")], &mut startup).unwrap();
        session.client(&mut &startup[..]);
        let startup_response = [message(b'R', &[0; 4]), message(b'Z', b"I")].concat();
        reference.server(&startup_response);
        session.server(&mut &startup_response[..]);
        let mut requests = 0;
        for group in exchanges.chunks(pipelined) {
            let client: Vec<u8> = group.iter().flat_map(Exchange::client).collect();
            let mut rest = &client[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                session.client(&mut &piece[..]);
                rest = behind;
            }
            requests += group.iter().filter(|exchange| !matches!(exchange, Exchange::Notice)).count();
            prop_assert_eq!(session.state(), reference.state(requests));
            let server: Vec<u8> = group.iter().flat_map(Exchange::server).collect();
            let mut rest = &server[..];
            while !rest.is_empty() {
                let (mut piece, behind) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                reference.server(piece);
                session.server(&mut piece);
                rest = behind;
                prop_assert_eq!(session.state(), reference.state(requests));
            }
        }
    }
}

#[test]
fn admin_shutdown_is_a_complete_error_response() {
    let mut bytes = BytesMut::from(shutdown::admin_shutdown().as_slice());
    let message = Message::parse(&mut bytes).unwrap();
    assert!(matches!(message, Some(Message::ErrorResponse(_))));
    assert!(bytes.is_empty());
    let fields = shutdown::admin_shutdown();
    let fields: Vec<_> = fields[5..].split(|byte| *byte == 0).collect();
    let message = b"Mterminating connection due to administrator command";
    let expected: [&[u8]; 6] = [b"SFATAL", b"VFATAL", b"C57P01", message, b"", b""];
    assert_eq!(fields, expected);
}

#[test]
fn messages_of_the_shutdown_are_those_of_the_protocol() {
    let mut sync = BytesMut::new();
    frontend::sync(&mut sync);
    assert_eq!(sync, shutdown::SYNC.as_slice());
    let mut terminate = BytesMut::new();
    frontend::terminate(&mut terminate);
    assert_eq!(terminate.first(), Some(&shutdown::TERMINATE));
}
