//! The session is compared with the replies that are pending in what a client of the `watermelon-proto` crate writes, and
//! in what it reads of the server's bytes.

use bytes::{BufMut, Bytes};
use evenkeel_wire::tcp::{Session, SessionState, Side, TcpProtocol, UnsafeReason};
use proptest::collection::vec;
use proptest::prelude::*;
use watermelon_proto::headers::{HeaderMap, HeaderName, HeaderValue};
use watermelon_proto::proto::{ClientOp, FramedEncoder, ServerOp, StreamDecoder};
use watermelon_proto::{Connect, MessageBase, NonStandardConnect, Subject};

use crate::send;

/// The INFO of nats-server 2.9.
const INFO: &str = "INFO {\"server_id\":\"NA\",\"server_name\":\"NA\",\"version\":\"2.9.10\",\"proto\":1,\
    \"go\":\"go1.19.8\",\"host\":\"127.0.0.1\",\"port\":4222,\"headers\":true,\"max_payload\":1048576} \r\n";

/// A message in either direction.
#[derive(Clone, Copy, Debug)]
struct Message {
    /// It replies to the nth of the open requests, if there are any.
    replies_to: Option<usize>,
    has_reply: bool,
    has_headers: bool,
    size: usize,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Publish(Message),
    Deliver(Message),
    Subscribe,
    Unsubscribe,
    Ping(Side),
    Pong(Side),
}

fn operation() -> impl Strategy<Value = Operation> {
    let side = || prop_oneof![Just(Side::Client), Just(Side::Server)];
    let size = prop_oneof![Just(0_usize), 1..20_usize, 200..900_usize];
    let fields = (
        proptest::option::of(0..4_usize),
        any::<bool>(),
        any::<bool>(),
        size,
    );
    let message = fields.prop_map(|(replies_to, has_reply, has_headers, size)| Message {
        replies_to,
        has_reply,
        has_headers,
        size,
    });
    let message = message.boxed();
    prop_oneof![
        4 => message.clone().prop_map(Operation::Publish),
        4 => message.prop_map(Operation::Deliver),
        1 => Just(Operation::Subscribe),
        1 => Just(Operation::Unsubscribe),
        1 => side().prop_map(Operation::Ping),
        1 => side().prop_map(Operation::Pong),
    ]
}

/// Subjects on which a reply is pending, with the PINGs of the server since.
type Expected = Vec<(Subject, u8)>;

fn remove(expected: &mut Expected, subject: &Subject) {
    expected.retain(|(open, _)| open != subject);
}

/// The pending replies according to the reference implementation.
#[derive(Default)]
struct Peers {
    encoder: FramedEncoder,
    decoder: StreamDecoder,
    subjects: u32,
    is_verbose: bool,
    is_connected: bool,
    acknowledgements: u32,
    client_pings: u32,
    server_pings: u32,
    requests: Expected,
    deliveries: Expected,
}

impl Peers {
    /// The subject of a message, which may be that of an open request, and its reply subject.
    fn subjects(&mut self, message: Message, open: Side) -> (Subject, Option<Subject>) {
        let open = match open {
            Side::Client => &self.requests,
            Side::Server => &self.deliveries,
        };
        let request = message.replies_to.and_then(|nth| open.get(nth));
        let subject = request.map_or(Subject::from_static("orders.new"), |(open, _)| open.clone());
        self.subjects += 1;
        let reply = Subject::from_dangerous_value(format!("_INBOX.{}", self.subjects).into());
        (subject, message.has_reply.then_some(reply))
    }

    fn client_operation(&mut self, operation: Operation) -> Option<ClientOp> {
        Some(match operation {
            Operation::Publish(message) => {
                let (subject, reply_subject) = self.subjects(message, Side::Server);
                let mut headers = HeaderMap::new();
                if message.has_headers {
                    headers.insert(HeaderName::from_static("k"), HeaderValue::from_static("v"));
                }
                let payload = Bytes::from(vec![b'\n'; message.size]);
                ClientOp::Publish {
                    message: MessageBase {
                        subject,
                        reply_subject,
                        headers,
                        payload,
                    },
                }
            }
            Operation::Subscribe => ClientOp::Subscribe {
                id: 1.into(),
                subject: Subject::from_static("orders.*"),
                queue_group: None,
            },
            Operation::Unsubscribe => ClientOp::Unsubscribe {
                id: 1.into(),
                max_messages: None,
            },
            Operation::Ping(Side::Client) => ClientOp::Ping,
            Operation::Pong(Side::Client) => ClientOp::Pong,
            Operation::Deliver(_)
            | Operation::Ping(Side::Server)
            | Operation::Pong(Side::Server) => {
                return None;
            }
        })
    }

    fn server_bytes(&mut self, operation: Operation) -> Vec<u8> {
        let Operation::Deliver(message) = operation else {
            let is_ping = matches!(operation, Operation::Ping(_));
            return if is_ping { b"PING\r\n" } else { b"PONG\r\n" }.to_vec();
        };
        let (subject, reply) = self.subjects(message, Side::Client);
        let reply = reply.map_or(String::new(), |reply| format!("{} ", reply.as_str()));
        let payload = "\r\n".repeat(message.size);
        let size = payload.len();
        let subject = subject.as_str();
        let text = match message.has_headers {
            false => format!("MSG {subject} 1 {reply}{size}\r\n{payload}\r\n"),
            true => {
                let headers = "NATS/1.0\r\nk: v\r\n\r\n";
                let (length, total) = (headers.len(), headers.len() + size);
                format!("HMSG {subject} 1 {reply}{length} {total}\r\n{headers}{payload}\r\n")
            }
        };
        text.into_bytes()
    }

    fn apply_client(&mut self, operation: &ClientOp) {
        match operation {
            ClientOp::Ping => self.client_pings += 1,
            ClientOp::Pong => self.server_pings = self.server_pings.saturating_sub(1),
            ClientOp::Publish { message } => {
                remove(&mut self.deliveries, &message.subject);
                let reply = message.reply_subject.clone();
                self.requests.extend(reply.map(|reply| (reply, 0)));
                self.acknowledgements += u32::from(self.is_verbose);
            }
            _ => self.acknowledgements += u32::from(self.is_verbose),
        }
    }

    /// Reads what the reference implementation makes of bytes.
    fn read_server(&mut self, bytes: &[u8]) {
        self.decoder.read_buf().put_slice(bytes);
        while let Some(operation) = self.decoder.decode().unwrap() {
            match operation {
                ServerOp::Ping => {
                    self.server_pings += 1;
                    for expected in [&mut self.requests, &mut self.deliveries] {
                        expected.iter_mut().for_each(|(_, pings)| *pings += 1);
                        expected.retain(|(_, pings)| *pings < 2);
                    }
                }
                ServerOp::Pong => {
                    self.client_pings = self.client_pings.saturating_sub(1);
                    self.is_connected = true;
                }
                ServerOp::Success | ServerOp::Error { .. } => self.acknowledgements -= 1,
                ServerOp::Message { message } => {
                    remove(&mut self.requests, &message.base.subject);
                    let reply = message.base.reply_subject;
                    self.deliveries.extend(reply.map(|reply| (reply, 0)));
                }
                ServerOp::Info { .. } => {}
            }
        }
    }

    fn state(&self, is_in_message: bool) -> SessionState {
        SessionState::Unsafe(if !self.is_connected {
            UnsafeReason::Handshake
        } else if is_in_message {
            UnsafeReason::Message
        } else if self.client_pings > 0 || self.server_pings > 0 {
            UnsafeReason::Ping
        } else if self.acknowledgements > 0 || !self.requests.is_empty() {
            UnsafeReason::Response
        } else if !self.deliveries.is_empty() {
            UnsafeReason::Delivery
        } else {
            return SessionState::Safe;
        })
    }
}

/// A session beside the reference implementation, with the same splits.
struct Run<C> {
    session: Session,
    peers: Peers,
    cuts: C,
}

impl<C: Iterator<Item = usize>> Run<C> {
    fn client(&mut self, operation: &ClientOp) {
        let bytes = self.peers.encoder.encode(operation);
        self.pass(Side::Client, &bytes, |peers, _, is_whole| {
            if is_whole {
                peers.apply_client(operation);
            }
        });
    }

    fn server(&mut self, bytes: &[u8]) {
        self.pass(Side::Server, bytes, |peers, piece, _| {
            peers.read_server(piece)
        });
    }

    /// The reference implementation does not read a `+OK` in pieces.
    fn acknowledge(&mut self) {
        let bytes = b"+OK\r\n";
        self.pass(Side::Server, bytes, |peers, _, is_whole| {
            if is_whole {
                peers.read_server(bytes);
            }
        });
    }

    fn pass(&mut self, side: Side, mut bytes: &[u8], apply: impl Fn(&mut Peers, &[u8], bool)) {
        while !bytes.is_empty() {
            let cut = self.cuts.next().unwrap().min(bytes.len());
            let (piece, rest) = bytes.split_at(cut);
            bytes = rest;
            send(&mut self.session, side, piece);
            apply(&mut self.peers, piece, rest.is_empty());
            assert_eq!(self.session.state(), self.peers.state(!rest.is_empty()));
        }
    }
}

fn connect(verbose: bool) -> ClientOp {
    ClientOp::Connect {
        connect: Box::new(Connect {
            verbose,
            pedantic: false,
            require_tls: false,
            auth_token: None,
            username: None,
            password: None,
            client_name: Some("\"verbose\":".to_owned()),
            client_lang: "rust",
            client_version: "1",
            protocol: 1,
            echo: true,
            signature: None,
            jwt: None,
            supports_no_responders: true,
            supports_headers: true,
            nkey: None,
            non_standard: NonStandardConnect::default(),
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn session_agrees_with_the_reference(
        is_verbose in any::<bool>(),
        operations in vec(operation(), 0..30),
        cuts in vec(prop_oneof![1..8_usize, 1..900_usize], 1..20),
    ) {
        let peers = Peers { is_verbose, ..Peers::default() };
        let cuts = cuts.into_iter().cycle();
        let mut run = Run { session: Session::new(TcpProtocol::Nats), peers, cuts };
        run.server(INFO.as_bytes());
        run.client(&connect(is_verbose));
        run.client(&ClientOp::Ping);
        if is_verbose {
            run.acknowledge();
        }
        run.server(b"PONG\r\n");
        for operation in operations {
            match run.peers.client_operation(operation) {
                Some(operation) => {
                    let acknowledgements = run.peers.acknowledgements;
                    run.client(&operation);
                    if run.peers.acknowledgements > acknowledgements {
                        run.acknowledge();
                    }
                }
                None => {
                    let bytes = run.peers.server_bytes(operation);
                    run.server(&bytes);
                }
            }
        }
    }
}
