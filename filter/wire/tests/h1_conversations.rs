//! Random valid conversations, with requests ahead of their turn, cut anywhere: the scanner says what the
//! generator knows, and an announcement stands where a parser finds it.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../src/h1/tests/envoy.rs"]
mod envoy;
#[allow(dead_code)]
#[path = "../src/h1/tests/messages.rs"]
mod messages;

use envoy::{Cut, Envoy};
use evenkeel_wire::BypassReason;
use evenkeel_wire::h1::{Http1Scanner, PersistenceFields, ResponseHead};
use messages::{Chunks, Message, answer, chunks, request};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// One request and what answers it.
#[derive(Clone, Debug)]
struct Exchange {
    empty_lines: usize,
    question: Question,
    interim: Vec<Message>,
    reply: Reply,
    /// How many bytes of further requests come before the answer.
    ahead: usize,
}

#[derive(Clone, Debug)]
struct Question {
    message: Message,
    method: &'static str,
    /// HTTP/1.1 and not asking for the end.
    persists: bool,
}

#[derive(Clone, Debug)]
struct Reply {
    message: Message,
    leaves: Leaves,
    hint: bool,
}

/// How an answer leaves the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    Open,
    Closing,
    UntilClose,
    Tunnel,
}

/// Adds fields that mean nothing to the scanner.
fn fields(message: Message) -> impl Strategy<Value = Message> {
    let name = "x-[a-zA-Z0-9!#$%&'*+.^_`|~-]{0,30}";
    let value = "([!-~]([ -~\t]{0,60}[!-~])?)?";
    vec((name, value), 0..6).prop_map(move |fields| {
        let add = |message: Message, (name, value): &(String, String)| message.field(name, value);
        fields.iter().fold(message.clone(), add)
    })
}

fn chunked() -> impl Strategy<Value = Chunks> {
    let extension = "( ?;[a-z]{1,5}(=\"[ -~]{0,9}\")?)?";
    let chunk = (extension, vec(any::<u8>(), 1..40));
    let trailer = ("x-[a-z]{1,9}", "[!-~]{0,20}");
    (vec(chunk, 0..4), vec(trailer, 0..3)).prop_map(|(parts, trailers)| {
        let body = parts.iter().fold(chunks(), |body, (extension, data)| {
            body.chunk_with(extension, data)
        });
        trailers
            .iter()
            .fold(body, |body, (name, value)| body.trailer(name, value))
    })
}

/// Adds one of the bodies whose end the head tells.
fn body(message: Message) -> impl Strategy<Value = Message> {
    let other = message.clone();
    prop_oneof![
        vec(any::<u8>(), 0..100).prop_map(move |body| message.clone().sized(&body)),
        chunked().prop_map(move |body| other.clone().chunked(&body)),
    ]
}

fn a_question() -> impl Strategy<Value = Question> {
    let method = select(vec!["GET", "HEAD", "POST", "DELETE"]);
    let target = "(/[a-z0-9/?=&%]{0,40}|http://[a-z]{1,9}/[a-z]{0,9}|\\*)";
    (method, target, any::<bool>(), 0..10_u8).prop_flat_map(|(method, target, has_body, kind)| {
        fields(request(method, &target)).prop_flat_map(move |message| {
            let message = match kind {
                0 => message.field("Connection", "foo, close"),
                1 => message.http_1_0().field("connection", "keep-alive"),
                _ => message,
            };
            // Chunks are not for HTTP/1.0.
            let whole = if has_body && kind != 1 {
                body(message).boxed()
            } else {
                Just(message).boxed()
            };
            whole.prop_map(move |message| Question {
                message,
                method,
                persists: kind > 1,
            })
        })
    })
}

fn a_reply(method: &'static str) -> impl Strategy<Value = Reply> {
    let leaves = prop_oneof![
        12 => Just(Leaves::Open),
        1 => Just(Leaves::Closing),
        1 => Just(Leaves::UntilClose),
        1 => Just(Leaves::Tunnel),
    ];
    let status = select(vec![200, 201, 204, 304, 404, 503]);
    (status, leaves, any::<bool>()).prop_flat_map(move |(status, leaves, hint)| {
        let bodiless = method == "HEAD" || status == 204 || status == 304;
        let leaves = if bodiless && leaves == Leaves::UntilClose {
            Leaves::Open
        } else {
            leaves
        };
        let status = if leaves == Leaves::Tunnel {
            101
        } else {
            status
        };
        let message = answer(status);
        let message = if hint {
            message.field("Keep-Alive", "timeout=5")
        } else {
            message
        };
        fields(message).prop_flat_map(move |message| {
            let whole = match leaves {
                Leaves::Tunnel => {
                    Just(message.field("connection", "upgrade").field("upgrade", "x")).boxed()
                }
                Leaves::UntilClose => Just(message.unsized_body(b"to the end")).boxed(),
                _ if bodiless => Just(message.field("content-length", "77")).boxed(),
                _ => body(message).boxed(),
            };
            whole.prop_map(move |message| {
                let closing = leaves == Leaves::Closing;
                let message = if closing {
                    message.field("connection", "close")
                } else {
                    message
                };
                Reply {
                    message,
                    leaves,
                    hint,
                }
            })
        })
    })
}

fn an_exchange() -> impl Strategy<Value = Exchange> {
    let interim = vec(select(vec![100, 102, 103]).prop_map(answer), 0..3);
    let ahead = prop_oneof![3 => Just(0), 1 => 1..20_usize, 1 => 1..400_usize];
    (a_question(), 0..3_usize, interim, ahead).prop_flat_map(
        |(question, empty_lines, interim, ahead)| {
            a_reply(question.method).prop_map(move |reply| {
                let (question, interim) = (question.clone(), interim.clone());
                Exchange {
                    empty_lines,
                    question,
                    interim,
                    reply,
                    ahead,
                }
            })
        },
    )
}

/// Some exchanges, of which only the last may leave the connection in another state.
fn a_conversation() -> impl Strategy<Value = Vec<Exchange>> {
    vec(an_exchange(), 1..6).prop_map(|mut exchanges| {
        let last = exchanges
            .iter()
            .position(|exchange| exchange.reply.leaves != Leaves::Open);
        exchanges.truncate(last.map_or(exchanges.len(), |last| last + 1));
        exchanges
    })
}

fn a_cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        Just(Cut::Nowhere),
        Just(Cut::Into(vec![1])),
        vec(1..50_usize, 1..8).prop_map(Cut::Into),
        vec(1..400_usize, 1..4).prop_map(Cut::Into),
    ]
}

impl Exchange {
    fn bytes(&self) -> Vec<u8> {
        [
            b"\r\n".repeat(self.empty_lines),
            self.question.message.bytes(),
        ]
        .concat()
    }

    /// What the scanner must say of the answer's head.
    fn head(&self, waiting: bool) -> ResponseHead {
        let Reply {
            message,
            leaves,
            hint,
        } = &self.reply;
        ResponseHead {
            insert_at: Some(message.head().len() - 2),
            may_close: self.question.persists && !waiting && *leaves != Leaves::Tunnel,
            closes: matches!(leaves, Leaves::Closing | Leaves::UntilClose),
            has_keep_alive_field: *hint,
            persistence: Some(PersistenceFields::default()),
        }
    }

    /// How many requests it leaves active.
    fn active_after(&self, waiting: bool) -> u32 {
        match self.reply.leaves {
            Leaves::Open => u32::from(waiting),
            Leaves::Closing => 0,
            Leaves::Tunnel => 1,
            Leaves::UntilClose => 1 + u32::from(waiting),
        }
    }
}

/// Asserts that a parser finds the fields of the head of `answer` and, put where the scanner said,
/// `connection: close`.
fn assert_announces(answer: &Message, insert_at: usize) {
    let head = answer.head();
    let announced = [
        &head[..insert_at],
        b"connection: close\r\n",
        &head[insert_at..],
    ]
    .concat();
    let (mut before, mut after) = ([httparse::EMPTY_HEADER; 16], [httparse::EMPTY_HEADER; 16]);
    let mut plain = httparse::Response::new(&mut before);
    let mut spliced = httparse::Response::new(&mut after);
    assert_eq!(
        plain.parse(&head),
        Ok(httparse::Status::Complete(head.len()))
    );
    assert_eq!(
        spliced.parse(&announced),
        Ok(httparse::Status::Complete(announced.len()))
    );
    let announcement = httparse::Header {
        name: "connection",
        value: b"close",
    };
    assert_eq!(
        *spliced.headers,
        [&*plain.headers, &[announcement]].concat()
    );
    assert_eq!(
        (spliced.code, spliced.reason, spliced.version),
        (plain.code, plain.reason, plain.version)
    );
}

/// Lets `exchange`, the so-manieth, come and go, where `later` is all that the client says after it.
fn converse(envoy: &mut Envoy, exchange: &Exchange, later: &[u8], ordinal: u64) {
    let question = exchange.bytes();
    let held = envoy.holds();
    let taken = held.min(question.len());
    if held > 0 {
        envoy.resume(taken).unwrap();
    }
    let ahead = exchange.ahead.min(later.len()).max(held - taken);
    envoy
        .client_ahead(&question[taken..], &later[held - taken..ahead])
        .unwrap();
    let waiting = later[..ahead].iter().any(|byte| !b"\r\n".contains(byte));
    assert_eq!(
        (envoy.connection.requests(), envoy.connection.active()),
        (ordinal, 1 + u32::from(waiting))
    );

    let interim: Vec<u8> = exchange.interim.iter().flat_map(Message::bytes).collect();
    assert_eq!(envoy.server(&interim).unwrap(), []);
    let heads = envoy.server(&exchange.reply.message.bytes()).unwrap();
    assert_eq!(heads, [exchange.head(waiting)]);
    assert_announces(&exchange.reply.message, heads[0].insert_at.unwrap());
    assert_eq!(envoy.connection.active(), exchange.active_after(waiting));
    assert_eq!(
        envoy.connection.is_tunnel(),
        exchange.reply.leaves == Leaves::Tunnel
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_conversation_is_followed_whatever_the_cuts(exchanges in a_conversation(), cut in a_cut()) {
        let mut envoy = Envoy::new(cut);
        for (index, exchange) in exchanges.iter().enumerate() {
            let later: Vec<u8> = exchanges[index + 1..].iter().flat_map(Exchange::bytes).collect();
            converse(&mut envoy, exchange, &later, index as u64 + 1);
        }
    }
}
