//! Random commands and replies, split anywhere: the session is compared with what the `redis-protocol`
//! crate reads of the same bytes.

use evenkeel_wire::tcp::{Session, SessionState, TcpProtocol, UnsafeReason};
use proptest::collection::vec;
use proptest::prelude::*;
use redis_protocol::resp3;
use redis_protocol::resp3::types::{OwnedFrame, Resp3Frame};

fn leaf() -> impl Strategy<Value = OwnedFrame> {
    let data = prop_oneof![8 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 500..1200)];
    prop_oneof![
        data.prop_map(|data| OwnedFrame::BlobString {
            data,
            attributes: None
        }),
        "[a-z ]{0,12}".prop_map(|text| OwnedFrame::SimpleString {
            data: text.into(),
            attributes: None
        }),
        "ERR [a-z ]{0,12}".prop_map(|data| OwnedFrame::SimpleError {
            data,
            attributes: None
        }),
        any::<i32>().prop_map(|data| OwnedFrame::Number {
            data: data.into(),
            attributes: None
        }),
        any::<bool>().prop_map(|data| OwnedFrame::Boolean {
            data,
            attributes: None
        }),
        Just(OwnedFrame::Null),
    ]
}

fn frame() -> impl Strategy<Value = OwnedFrame> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let set = vec(leaf(), 0..3).prop_map(|data| OwnedFrame::Set {
            data: data.into_iter().collect(),
            attributes: None,
        });
        let map = vec((leaf(), inner.clone()), 0..3).prop_map(|data| OwnedFrame::Map {
            data: data.into_iter().collect(),
            attributes: None,
        });
        let array = vec(inner, 0..4).prop_map(|data| OwnedFrame::Array {
            data,
            attributes: None,
        });
        prop_oneof![array, set, map]
    })
}

fn encode(frame: &OwnedFrame) -> Vec<u8> {
    let mut bytes = vec![0; frame.encode_len(false)];
    resp3::encode::complete::encode(&mut bytes, frame, false).unwrap();
    bytes
}

fn command(arguments: &[Vec<u8>]) -> Vec<u8> {
    let argument = |data: &Vec<u8>| OwnedFrame::BlobString {
        data: data.clone(),
        attributes: None,
    };
    encode(&OwnedFrame::Array {
        data: arguments.iter().map(argument).collect(),
        attributes: None,
    })
}

/// How many complete frames the reference implementation reads, and whether bytes are left.
fn count(mut bytes: &[u8]) -> (usize, bool) {
    let mut count = 0;
    while let Some((_, read)) = resp3::decode::complete::decode(bytes).unwrap() {
        bytes = &bytes[read..];
        count += 1;
    }
    (count, !bytes.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn session_agrees_with_the_reference(
        exchanges in vec((vec(vec(any::<u8>(), 0..30), 1..5), frame()), 1..6),
        cuts in vec(prop_oneof![1..8_usize, 1..900_usize], 1..20),
    ) {
        let mut cuts = cuts.into_iter().cycle();
        let mut session = Session::new(TcpProtocol::Redis);
        let client: Vec<u8> = exchanges
            .iter()
            .flat_map(|(arguments, _)| {
                // A random name could be a command with effects on the session.
                command(&[vec![b"GET".to_vec()], arguments.clone()].concat())
            })
            .collect();
        let server: Vec<u8> = exchanges.iter().flat_map(|(_, frame)| encode(frame)).collect();
        let mut at = 0;
        while at < client.len() {
            let end = (at + cuts.next().unwrap()).min(client.len());
            session.client(&mut &client[at..end]);
            at = end;
            let (commands, is_partial) = count(&client[..at]);
            let reason = match (commands, is_partial) {
                (0, true) => UnsafeReason::Message,
                _ => UnsafeReason::Response,
            };
            prop_assert_eq!(session.state(), SessionState::Unsafe(reason));
        }
        let mut at = 0;
        while at < server.len() {
            let end = (at + cuts.next().unwrap()).min(server.len());
            session.server(&mut &server[at..end]);
            at = end;
            let (replies, _) = count(&server[..at]);
            let expected = if replies < exchanges.len() {
                SessionState::Unsafe(UnsafeReason::Response)
            } else {
                SessionState::SafeWhenIdle
            };
            prop_assert_eq!(session.state(), expected);
        }
    }
}
