//! Messages that no Evenkeel sends.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const GOOD: &str = "[2,30,1,5,1000,1000,60000,100,0]";

fn rejection(message: &[u8]) -> RejectedMessage {
    Message::parse(message).unwrap_err()
}

#[test]
fn invalid_message_is_rejected_as_a_whole() {
    let nested = "[".repeat(4000);
    for message in [
        "",
        "null",
        "{}",
        "[1]",
        "\"v\"",
        r#"{"v":1}"#,
        r#"{"v":1,"peers":{}}"#,
        r#"{"v":1,"peers":null}"#,
        r#"{"v":-1,"peers":[]}"#,
        r#"{"v":1.0,"peers":[]}"#,
        r#"{"v":"1","peers":[]}"#,
        r#"{"v":1,"v":1,"peers":[]}"#,
        r#"{"v":1,"peers":[]}]"#,
        r#"{"v":1,"peers":[[2,30,1,5,NaN,1000,60000,100,0]]}"#,
        r#"{"v":1,"peers":[[2,30,1,5,1e999,1000,60000,100,0]]}"#,
        r#"{"v":1,"peers":[[2,30,1"#,
        &format!(r#"{{"v":1,"peers":{nested}"#),
        &format!(r#"{{"v":1,"peers":[],"x":{nested}"#),
    ] {
        assert_eq!(
            rejection(message.as_bytes()),
            RejectedMessage::Malformed,
            "{message}"
        );
    }
    assert_eq!(rejection(b"\xff\xfe"), RejectedMessage::Malformed);
}

#[test]
fn message_that_is_too_long_is_not_parsed() {
    let mut padded = message(&[GOOD]);
    padded.push_str(&" ".repeat(MAX_LEN - padded.len()));
    assert_eq!(receive(&mut View::default(), &padded, NOON).accepted, 1);

    padded.push(' ');

    assert_eq!(rejection(padded.as_bytes()), RejectedMessage::TooLong);
}

#[test]
fn other_version_is_reported_whatever_the_rest_of_the_message() {
    assert_eq!(
        rejection(br#"{"pods":{"a":1},"v":2}"#),
        RejectedMessage::Version(2)
    );
    assert_eq!(
        rejection(br#"{"v":0,"peers":[]}"#),
        RejectedMessage::Version(0)
    );
}

#[test]
fn implausible_report_is_dropped_and_the_others_are_kept() {
    for implausible in [
        "[]",
        "{}",
        "null",
        "true",
        "\"2\"",
        "[[2]]",
        "[2,30,1,5,1000,1000,60000,100]",
        "[2,30,1,5,1000,1000,60000,100,0,0]",
        "[-2,30,1,5,1000,1000,60000,100,0]",
        "[18446744073709551616,30,1,5,1000,1000,60000,100,0]",
        "[2,-30,1,5,1000,1000,60000,100,0]",
        "[2,30.5,1,5,1000,1000,60000,100,0]",
        "[2,3e1,1,5,1000,1000,60000,100,0]",
        "[2,null,1,5,1000,1000,60000,100,0]",
        "[2,[30],1,5,1000,1000,60000,100,0]",
        "[2,10000001,1,5,1000,1000,60000,100,0]",
        "[2,30,10000001,5,1000,1000,60000,100,0]",
        "[2,30,1,1000000001,1000,1000,60000,100,0]",
        "[2,30,1,5,10000000000001,1000,60000,100,0]",
        "[2,30,1,5,1000,0,60000,100,0]",
        "[2,30,1,5,1000,1000000001,60000,100,0]",
        "[2,30,1,5,1000,1000,3153600000001,100,0]",
        "[2,30,1,5,1000,1000,60000,-2,0]",
        "[2,30,1,5,1000,1000,60000,3153600000001,0]",
        "[2,30,1,5,1000,1000,60000,100,3600001]",
        "[2,30,1,5,1000,1000,60000,100,-1]",
    ] {
        let mut view = View::default();
        let around = message(&[GOOD, implausible, &GOOD.replacen('2', "3", 1)]);
        let received = receive(&mut view, &around, NOON);
        assert_eq!(
            (received.accepted, received.dropped),
            (2, 1),
            "{implausible}"
        );
        assert_eq!(view.len(), 2, "{implausible}");
    }
}

#[test]
fn nested_value_in_place_of_a_report_is_dropped_or_rejected() {
    for depth in [1, 50, 100] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let received = receive(&mut View::default(), &message(&[GOOD, &nested]), NOON);
        assert_eq!((received.accepted, received.dropped), (1, 1), "{depth}");
    }
    let nested = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    let message = message(&[GOOD, &nested]);
    assert_eq!(rejection(message.as_bytes()), RejectedMessage::Malformed);
}

#[test]
fn reports_beyond_the_limit_of_a_message_are_dropped() {
    let rows: Vec<_> = (2..300)
        .map(|id| format!("[{id},0,0,0,0,1,0,0,0]"))
        .collect();
    let mut view = View::default();

    let received = receive(&mut view, &message(&rows), NOON);

    assert_eq!(received.accepted, MAX_REPORTS + 1);
    assert_eq!(received.dropped, rows.len() - MAX_REPORTS - 1);
    assert_eq!(view.len(), MAX_REPORTS + 1);
}
