//! Redis: conversations by the specification of RESP and the documentation of the commands.

use crate::conversation::Conversation;
use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{PinReason, TcpProtocol, UnsafeReason};

fn command(arguments: &str) -> Vec<u8> {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let mut bytes = format!("*{}\r\n", arguments.len());
    for argument in arguments {
        bytes += &format!("${}\r\n{argument}\r\n", argument.len());
    }
    bytes.into_bytes()
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// A message or a confirmation, as an array or as push data.
fn beside(kind: char, name: &str, channel: &str, last: &str) -> String {
    format!("{kind}3\r\n{}{}{last}", bulk(name), bulk(channel))
}

fn connected() -> Conversation {
    Conversation::new(TcpProtocol::Redis)
}

fn resp3() -> Conversation {
    let mut conversation = connected();
    conversation
        .client(command("HELLO 3"))
        .server("%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n");
    conversation
}

#[test]
fn new_connection_is_safe_when_idle() {
    connected().is_safe_when_idle();
    resp3().is_safe_when_idle();
}

#[test]
fn command_is_unsafe_until_its_reply() {
    for reply in [
        "+OK\r\n",
        "-ERR unknown\r\n",
        ":-12\r\n",
        "$5\r\nhello\r\n",
        "$0\r\n\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n*2\r\n:1\r\n$1\r\na\r\n*0\r\n",
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        "(123456789012345678901234567890\r\n",
        "!5\r\nERR x\r\n",
        "=5\r\ntxt:a\r\n",
        "~2\r\n+a\r\n+b\r\n",
        "%1\r\n+a\r\n*1\r\n:2\r\n",
        "|1\r\n+ttl\r\n:1\r\n*1\r\n+a\r\n",
    ] {
        connected()
            .client(command("GET a"))
            .is_unsafe(UnsafeReason::Response)
            .server(reply)
            .is_safe_when_idle()
            .server(reply)
            .is_bypassed(BypassReason::OutOfStep);
    }
}

#[test]
fn long_value_is_skipped() {
    connected()
        .client(command(&format!("SET a {}", "*1\r\n".repeat(500))))
        .is_unsafe(UnsafeReason::Response)
        .server("+OK\r\n")
        .client(command("GET a"))
        .server(bulk(&"+OK\r\n".repeat(500)))
        .is_safe_when_idle();
}

#[test]
fn inline_command_has_a_reply() {
    connected()
        .client("PING\r\n")
        .is_unsafe(UnsafeReason::Response)
        .server("+PONG\r\n")
        .client("\r\n")
        .is_safe_when_idle()
        .client("multi\n")
        .server("+OK\r\n")
        .is_unsafe(UnsafeReason::Transaction);
}

#[test]
fn each_command_of_a_pipeline_has_its_reply() {
    connected()
        .client(command("INCR a").repeat(3))
        .server(":1\r\n:2\r\n")
        .is_unsafe(UnsafeReason::Response)
        .server(":3\r\n")
        .is_safe_when_idle();
}

#[test]
fn blocking_command_is_unsafe_until_its_reply() {
    connected()
        .client(command("BLPOP a 0"))
        .is_unsafe(UnsafeReason::Response)
        .server("*2\r\n+a\r\n+b\r\n")
        .is_safe_when_idle();
}

#[test]
fn transaction_is_unsafe_until_exec_or_discard() {
    connected()
        .client(command("MULTI"))
        .server("+OK\r\n")
        .is_unsafe(UnsafeReason::Transaction)
        .client(command("INCR a"))
        .server("+QUEUED\r\n")
        .is_unsafe(UnsafeReason::Transaction)
        .client(command("EXEC"))
        .is_unsafe(UnsafeReason::Response)
        .server("*1\r\n:1\r\n")
        .is_safe_when_idle();
    connected()
        .client([command("MULTI"), command("DISCARD")].concat())
        .server("+OK\r\n+OK\r\n")
        .is_safe_when_idle();
}

#[test]
fn watch_pins_until_exec_or_unwatch() {
    let transaction = [command("MULTI"), command("INCR a"), command("EXEC")].concat();
    connected()
        .client(command("WATCH a"))
        .server("+OK\r\n")
        .is_pinned(PinReason::Watch)
        .client(command("unwatch"))
        .server("+OK\r\n")
        .is_safe_when_idle()
        .client(command("WATCH a"))
        .server("+OK\r\n")
        .client(transaction)
        .server("+OK\r\n+QUEUED\r\n*-1\r\n")
        .is_safe_when_idle();
}

#[test]
fn resp2_subscription_pins_until_the_last_channel_ends() {
    connected()
        .client(command("SUBSCRIBE a b"))
        .server(beside('*', "subscribe", "a", ":1\r\n"))
        .is_unsafe(UnsafeReason::Response)
        .server(beside('*', "subscribe", "b", ":2\r\n"))
        .is_pinned(PinReason::Subscription)
        .server(beside('*', "message", "a", &bulk("hello")))
        .is_pinned(PinReason::Subscription)
        .client(command("PING"))
        .is_unsafe(UnsafeReason::Response)
        .server(beside('*', "message", "a", &bulk("hello")))
        .is_unsafe(UnsafeReason::Response)
        .server(format!("*2\r\n{}{}", bulk("pong"), bulk("")))
        .is_pinned(PinReason::Subscription)
        .client(command("UNSUBSCRIBE"))
        .server(beside('*', "unsubscribe", "a", ":1\r\n"))
        .is_pinned(PinReason::Subscription)
        .server(beside('*', "unsubscribe", "b", ":0\r\n"))
        .is_safe_when_idle()
        .client(command("LRANGE a 0 -1"))
        .server(beside('*', "message", "a", &bulk("an element")))
        .is_safe_when_idle();
}

#[test]
fn shard_channels_and_patterns_pin() {
    for (subscribe, name, end) in [
        ("PSUBSCRIBE a*", "psubscribe", "punsubscribe"),
        ("SSUBSCRIBE a", "ssubscribe", "sunsubscribe"),
    ] {
        connected()
            .client(command(subscribe))
            .server(beside('*', name, "a", ":1\r\n"))
            .is_pinned(PinReason::Subscription)
            .client(command(&format!("{end} a")))
            .server(beside('*', end, "a", ":0\r\n"))
            .is_safe_when_idle();
    }
}

#[test]
fn resp3_push_is_no_reply() {
    resp3()
        .client(command("SUBSCRIBE a"))
        .server(beside('>', "subscribe", "a", ":1\r\n"))
        .is_pinned(PinReason::Subscription)
        .client(command("LRANGE l 0 -1"))
        .server(beside('>', "message", "a", &bulk("hello")))
        .is_unsafe(UnsafeReason::Response)
        .server(beside('*', "message", "a", &bulk("an element")))
        .is_pinned(PinReason::Subscription)
        .client(command("UNSUBSCRIBE a"))
        .server(beside('>', "unsubscribe", "a", ":0\r\n"))
        .is_safe_when_idle();
}

#[test]
fn subscription_pins_after_the_server_rejects_resp3() {
    connected()
        .client(command("HELLO 3"))
        .server("-ERR unknown command 'HELLO'\r\n")
        .client(command("SUBSCRIBE news"))
        .server(beside('*', "subscribe", "news", ":1\r\n"))
        .is_pinned(PinReason::Subscription)
        .server(beside('*', "message", "news", &bulk("hello")))
        .is_pinned(PinReason::Subscription);
}

#[test]
fn rejected_subscription_has_one_reply() {
    connected()
        .client(command("SSUBSCRIBE a b c"))
        .is_unsafe(UnsafeReason::Response)
        .server("-CROSSSLOT Keys in request don't hash to the same slot\r\n")
        .is_safe_when_idle();
}

#[test]
fn reset_ends_client_reply_off() {
    connected()
        .client(command("CLIENT REPLY OFF"))
        .client(command("RESET"))
        .is_unsafe(UnsafeReason::Response)
        .server("+RESET\r\n")
        .is_safe_when_idle()
        .client(command("GET a"))
        .is_unsafe(UnsafeReason::Response)
        .server("+a\r\n")
        .is_safe_when_idle();
}

#[test]
fn client_tracking_pins_until_it_is_off() {
    resp3()
        .client(command("CLIENT TRACKING ON"))
        .server("+OK\r\n")
        .is_pinned(PinReason::Tracking)
        .server(">2\r\n$10\r\ninvalidate\r\n*1\r\n+a\r\n")
        .is_pinned(PinReason::Tracking)
        .client(command("client tracking off"))
        .server("+OK\r\n")
        .is_safe_when_idle();
}

#[test]
fn monitor_pins() {
    connected()
        .client(command("MONITOR"))
        .server("+OK\r\n")
        .server("+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n")
        .is_pinned(PinReason::Monitor)
        .client(command("RESET"))
        .server("+RESET\r\n")
        .is_safe_when_idle();
}

#[test]
fn commands_without_replies_pin() {
    connected()
        .client([command("CLIENT REPLY OFF"), command("SET a b")].concat())
        .is_pinned(PinReason::ReplyOff)
        .client(command("CLIENT REPLY ON"))
        .is_unsafe(UnsafeReason::Response)
        .server("+OK\r\n")
        .is_safe_when_idle()
        .client(
            [
                command("CLIENT REPLY SKIP"),
                command("SET a b"),
                command("GET a"),
            ]
            .concat(),
        )
        .is_unsafe(UnsafeReason::Response)
        .server("$1\r\nb\r\n")
        .is_safe_when_idle();
}

#[test]
fn replica_is_never_idle() {
    connected()
        .client(command("PSYNC ? -1"))
        .server("+FULLRESYNC 0 0\r\n$3\r\nRDB*1\r\n")
        .is_unsafe(UnsafeReason::Replication);
}

#[test]
fn quit_is_closing() {
    connected()
        .client(command("QUIT"))
        .server("+OK\r\n")
        .is_unsafe(UnsafeReason::Closing);
}

#[test]
fn part_of_a_message_is_unsafe() {
    connected()
        .client("*1\r\n$4\r\nPI")
        .is_unsafe(UnsafeReason::Message);
    resp3()
        .server(">2\r\n$10\r\ninvalidate\r\n")
        .is_unsafe(UnsafeReason::Message);
}

#[test]
fn bytes_that_are_not_the_protocol_are_bypassed() {
    for (bytes, reason) in [
        (&[0x16, 3, 1][..], BypassReason::Encrypted),
        (b"\x00", BypassReason::Malformed),
        (b"*1\r\nPING\r\n", BypassReason::Malformed),
        (b"*x\r\n", BypassReason::Malformed),
        (b"*1\r\n$1\r\nab\r\n", BypassReason::Malformed),
    ] {
        connected().client(bytes).is_bypassed(reason);
    }
    for (bytes, reason) in [
        ("$?\r\n;4\r\n", BypassReason::Unsupported),
        ("x", BypassReason::Malformed),
        ("*1\r\n>1\r\n", BypassReason::Malformed),
    ] {
        connected()
            .client(command("GET a"))
            .server(bytes)
            .is_bypassed(reason);
    }
}
