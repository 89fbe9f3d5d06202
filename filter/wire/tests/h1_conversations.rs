//! Random valid conversations with pipelined requests, cut anywhere: the scanner reports what the generator knows, and
//! a parser finds the inserted drain signal.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

#[allow(dead_code)]
#[path = "../src/h1/tests/envoy.rs"]
mod envoy;
#[allow(dead_code)]
#[path = "../src/h1/tests/messages.rs"]
mod messages;

use envoy::{Cut, Envoy};
use evenkeel_wire::BypassReason;
use evenkeel_wire::h1::{Http1Scanner, PersistenceFields, ResponseHead};
use messages::{Chunks, Message, chunks, request, response};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A request and its responses.
#[derive(Clone, Debug)]
struct Exchange {
    empty_lines: usize,
    sent: SentRequest,
    interim: Vec<Message>,
    reply: Reply,
    /// How many bytes of further requests arrive before the response.
    pipelined: usize,
}

#[derive(Clone, Debug)]
struct SentRequest {
    message: Message,
    method: &'static str,
    /// HTTP/1.1 without `connection: close`.
    persists: bool,
}

#[derive(Clone, Debug)]
struct Reply {
    message: Message,
    after: After,
    hint: bool,
}

/// The state of the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
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

/// Adds a body with a length or chunks.
fn body(message: Message) -> impl Strategy<Value = Message> {
    let other = message.clone();
    prop_oneof![
        vec(any::<u8>(), 0..100).prop_map(move |body| message.clone().sized(&body)),
        chunked().prop_map(move |body| other.clone().chunked(&body)),
    ]
}

fn sent_request() -> impl Strategy<Value = SentRequest> {
    let method = select(vec!["GET", "HEAD", "POST", "DELETE"]);
    let target = "(/[a-z0-9/?=&%]{0,40}|http://[a-z]{1,9}/[a-z]{0,9}|\\*)";
    (method, target, any::<bool>(), 0..10_u8).prop_flat_map(|(method, target, has_body, kind)| {
        fields(request(method, &target)).prop_flat_map(move |message| {
            let message = match kind {
                0 => message.field("Connection", "foo, close"),
                1 => message.http_1_0().field("connection", "keep-alive"),
                _ => message,
            };
            // HTTP/1.0 has no chunks.
            let whole = if has_body && kind != 1 {
                body(message).boxed()
            } else {
                Just(message).boxed()
            };
            whole.prop_map(move |message| SentRequest {
                message,
                method,
                persists: kind > 1,
            })
        })
    })
}

fn reply(method: &'static str) -> impl Strategy<Value = Reply> {
    let after = prop_oneof![
        12 => Just(After::Open),
        1 => Just(After::Closing),
        1 => Just(After::UntilClose),
        1 => Just(After::Tunnel),
    ];
    let status = select(vec![200, 201, 204, 304, 404, 503]);
    (status, after, any::<bool>()).prop_flat_map(move |(status, after, hint)| {
        let bodiless = method == "HEAD" || status == 204 || status == 304;
        let after = if bodiless && after == After::UntilClose {
            After::Open
        } else {
            after
        };
        let status = if after == After::Tunnel { 101 } else { status };
        let message = response(status);
        let message = if hint {
            message.field("Keep-Alive", "timeout=5")
        } else {
            message
        };
        fields(message).prop_flat_map(move |message| {
            let whole = match after {
                After::Tunnel => {
                    Just(message.field("connection", "upgrade").field("upgrade", "x")).boxed()
                }
                After::UntilClose => Just(message.unsized_body(b"to the end")).boxed(),
                _ if bodiless => Just(message.field("content-length", "77")).boxed(),
                _ => body(message).boxed(),
            };
            whole.prop_map(move |message| {
                let closing = after == After::Closing;
                let message = if closing {
                    message.field("connection", "close")
                } else {
                    message
                };
                Reply {
                    message,
                    after,
                    hint,
                }
            })
        })
    })
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let interim = vec(select(vec![100, 102, 103]).prop_map(response), 0..3);
    let pipelined = prop_oneof![3 => Just(0), 1 => 1..20_usize, 1 => 1..400_usize];
    (sent_request(), 0..3_usize, interim, pipelined).prop_flat_map(
        |(sent, empty_lines, interim, pipelined)| {
            reply(sent.method).prop_map(move |reply| {
                let (sent, interim) = (sent.clone(), interim.clone());
                Exchange {
                    empty_lines,
                    sent,
                    interim,
                    reply,
                    pipelined,
                }
            })
        },
    )
}

/// Exchanges, of which only the last may change the state of the connection.
fn conversation() -> impl Strategy<Value = Vec<Exchange>> {
    vec(exchange(), 1..6).prop_map(|mut exchanges| {
        let last = exchanges
            .iter()
            .position(|exchange| exchange.reply.after != After::Open);
        exchanges.truncate(last.map_or(exchanges.len(), |last| last + 1));
        exchanges
    })
}

fn cuts() -> impl Strategy<Value = Cut> {
    prop_oneof![
        Just(Cut::Nowhere),
        Just(Cut::Into(vec![1])),
        vec(1..50_usize, 1..8).prop_map(Cut::Into),
        vec(1..400_usize, 1..4).prop_map(Cut::Into),
    ]
}

impl Exchange {
    fn bytes(&self) -> Vec<u8> {
        [b"\r\n".repeat(self.empty_lines), self.sent.message.bytes()].concat()
    }

    /// What the scanner must report for the head of the response.
    fn head(&self, has_next: bool) -> ResponseHead {
        let Reply {
            message,
            after,
            hint,
        } = &self.reply;
        ResponseHead {
            insert_at: Some(message.head().len() - 2),
            may_close: self.sent.persists && !has_next && *after != After::Tunnel,
            closes: matches!(after, After::Closing | After::UntilClose),
            has_keep_alive_field: *hint,
            persistence: Some(PersistenceFields::default()),
        }
    }

    /// The number of active requests after it.
    fn active_after(&self, has_next: bool) -> u32 {
        match self.reply.after {
            After::Open => u32::from(has_next),
            After::Closing => 0,
            After::Tunnel => 1,
            After::UntilClose => 1 + u32::from(has_next),
        }
    }
}

/// Asserts that a parser finds `connection: close`, inserted at this offset, after the other fields.
fn assert_close_is_parsed(response: &Message, insert_at: usize) {
    let head = response.head();
    let edited = [
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
        spliced.parse(&edited),
        Ok(httparse::Status::Complete(edited.len()))
    );
    let close = httparse::Header {
        name: "connection",
        value: b"close",
    };
    assert_eq!(*spliced.headers, [&*plain.headers, &[close]].concat());
    assert_eq!(
        (spliced.code, spliced.reason, spliced.version),
        (plain.code, plain.reason, plain.version)
    );
}

/// Performs `exchange`, the one with this ordinal; `later` is everything that the client sends after it.
fn converse(envoy: &mut Envoy, exchange: &Exchange, later: &[u8], ordinal: u64) {
    let sent = exchange.bytes();
    let buffered = envoy.buffered();
    let taken = buffered.min(sent.len());
    if buffered > 0 {
        envoy.resume(taken).unwrap();
    }
    let pipelined = exchange.pipelined.min(later.len()).max(buffered - taken);
    envoy
        .client_pipelined(&sent[taken..], &later[buffered - taken..pipelined])
        .unwrap();
    let has_next = later[..pipelined]
        .iter()
        .any(|byte| !b"\r\n".contains(byte));
    assert_eq!(envoy.counts(), (ordinal, 1 + u32::from(has_next)));

    let interim: Vec<u8> = exchange.interim.iter().flat_map(Message::bytes).collect();
    assert_eq!(envoy.server(&interim).unwrap(), []);
    let heads = envoy.server(&exchange.reply.message.bytes()).unwrap();
    assert_eq!(heads, [exchange.head(has_next)]);
    assert_close_is_parsed(&exchange.reply.message, heads[0].insert_at.unwrap());
    assert_eq!(envoy.connection.active(), exchange.active_after(has_next));
    assert_eq!(
        envoy.connection.is_tunnel(),
        exchange.reply.after == After::Tunnel
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn conversation_is_followed_with_any_cuts(exchanges in conversation(), cut in cuts()) {
        let mut envoy = Envoy::new(cut);
        for (index, exchange) in exchanges.iter().enumerate() {
            let later: Vec<u8> = exchanges[index + 1..].iter().flat_map(Exchange::bytes).collect();
            converse(&mut envoy, exchange, &later, index as u64 + 1);
        }
    }
}
