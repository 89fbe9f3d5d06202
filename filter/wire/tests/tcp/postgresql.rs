//! PostgreSQL: conversations by the protocol's own documentation.

mod messages;

use crate::conversation::Conversation;
use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{PinReason, TcpProtocol, UnsafeReason};
use messages::*;

fn connecting() -> Conversation {
    let mut conversation = Conversation::new(TcpProtocol::PostgreSql);
    conversation.client(startup(0));
    conversation
}

/// After a login with a password.
fn connected() -> Conversation {
    let mut conversation = connecting();
    let parameters = [message(b'S', b"a\0b\0"), message(b'K', &[0; 8])].concat();
    conversation
        .server(message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4]))
        .client(message(b'p', b"md5\0"))
        .server(message(b'R', &[0; 4]))
        .server([parameters, ready(b'I')].concat());
    conversation
}

/// After a login, in a session that has had a query.
fn in_use() -> Conversation {
    let mut conversation = connected();
    conversation
        .client(query("UPDATE a SET b = 1"))
        .server([complete("UPDATE 1"), ready(b'I')].concat());
    conversation
}

#[test]
fn login_is_a_handshake_until_ready_for_query() {
    Conversation::new(TcpProtocol::PostgreSql).is_unsafe(UnsafeReason::Handshake);
    connecting()
        .is_unsafe(UnsafeReason::Handshake)
        .server(message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4]))
        .client(message(b'p', b"md5\0"))
        .server(message(b'R', &[0; 4]))
        .is_unsafe(UnsafeReason::Handshake)
        .server(ready(b'I'))
        .is_safe_when_idle();
    Conversation::new(TcpProtocol::PostgreSql)
        .client(startup(2))
        .server(message(b'v', &[0; 8]))
        .server(ready(b'I'))
        .is_safe_when_idle();
}

#[test]
fn rejected_login_is_never_safe() {
    connecting()
        .server(message(b'E', b"SFATAL\0C28P01\0\0"))
        .is_unsafe(UnsafeReason::Handshake);
    Conversation::new(TcpProtocol::PostgreSql)
        .client(CANCEL_REQUEST)
        .is_unsafe(UnsafeReason::Handshake);
}

#[test]
fn accepted_encryption_is_bypassed() {
    for (request, accepted) in [(SSL_REQUEST, "S"), (GSSENC_REQUEST, "G")] {
        Conversation::new(TcpProtocol::PostgreSql)
            .client(request)
            .is_unsafe(UnsafeReason::Handshake)
            .server(accepted)
            .is_bypassed(BypassReason::Encrypted);
    }
    Conversation::new(TcpProtocol::PostgreSql)
        .client([0x16, 3, 1, 0, 5])
        .is_bypassed(BypassReason::Encrypted);
}

#[test]
fn rejected_encryption_is_followed_by_a_login() {
    Conversation::new(TcpProtocol::PostgreSql)
        .client(GSSENC_REQUEST)
        .server("N")
        .client(SSL_REQUEST)
        .server("N")
        .client(startup(0))
        .server([message(b'R', &[0; 4]), ready(b'I')].concat())
        .is_safe_when_idle();
}

#[test]
fn query_is_a_response_until_ready_for_query() {
    connected()
        .client(query("SELECT 1"))
        .is_unsafe(UnsafeReason::Response)
        .server(rows(2, 700))
        .is_unsafe(UnsafeReason::Response)
        .server(ready(b'I'))
        .is_safe_when_idle();
}

#[test]
fn messages_at_any_time_are_no_responses() {
    let notice = message(b'N', b"SNOTICE\0\0");
    connected()
        .client(query("SELECT f()"))
        .server(notice)
        .server(message(b'S', b"TimeZone\0UTC\0"))
        .server(message(b'A', b"\0\0\0\x01c\0p\0"))
        .is_unsafe(UnsafeReason::Response)
        .server([rows(1, 1), ready(b'I')].concat())
        .server(message(b'S', b"TimeZone\0UTC\0"))
        .is_safe_when_idle();
}

#[test]
fn transaction_is_unsafe_until_it_ends() {
    for status in [b'T', b'E'] {
        connected()
            .client(query("BEGIN"))
            .server([complete("BEGIN"), ready(status)].concat())
            .is_unsafe(UnsafeReason::Transaction)
            .client(query("COMMIT"))
            .server([complete("COMMIT"), ready(b'I')].concat())
            .is_safe_when_idle();
    }
}

#[test]
fn extended_query_is_unsafe_until_its_sync_is_complete() {
    let request = [parse("", "SELECT 1"), bind("", ""), execute()].concat();
    connected()
        .client(&request)
        .is_unsafe(UnsafeReason::Response)
        .client(message(b'H', b""))
        .server([message(b'1', b""), message(b'2', b""), rows(1, 1)].concat())
        .is_unsafe(UnsafeReason::Response)
        .client(sync())
        .is_unsafe(UnsafeReason::Response)
        .server(ready(b'I'))
        .is_safe_when_idle();
}

#[test]
fn query_ends_an_extended_query_without_sync() {
    let prepare = [
        parse("s1", "SELECT 1"),
        message(b'D', b"Ss1\0"),
        message(b'H', b""),
    ]
    .concat();
    connected()
        .client(prepare)
        .server([message(b'1', b""), message(b't', &[0, 0])].concat())
        .is_unsafe(UnsafeReason::Response)
        .client(query("SELECT 1"))
        .server([rows(1, 1), ready(b'I')].concat())
        .is_safe_when_idle();
}

#[test]
fn flush_has_no_response() {
    connected()
        .client([parse("", "SELECT 1"), sync(), message(b'H', b"")].concat())
        .server([message(b'1', b""), ready(b'I')].concat())
        .is_safe_when_idle();
}

#[test]
fn each_sync_of_a_pipeline_has_its_ready_for_query() {
    let request = [bind("", "s1"), execute(), sync()].concat();
    let response = [message(b'2', b""), complete("INSERT 0 1"), ready(b'I')].concat();
    connected()
        .client(request.repeat(3))
        .server(response.repeat(2))
        .is_unsafe(UnsafeReason::Response)
        .server(&response)
        .is_safe_when_idle();
}

#[test]
fn error_in_a_pipeline_ends_at_its_sync() {
    let request = [parse("", "SELEC"), bind("", ""), execute(), sync()].concat();
    connected()
        .client(request)
        .server(message(b'E', b"SERROR\0\0"))
        .is_unsafe(UnsafeReason::Response)
        .server(ready(b'I'))
        .is_safe_when_idle();
}

#[test]
fn function_call_has_one_ready_for_query() {
    connected()
        .client(message(b'F', &[0; 10]))
        .is_unsafe(UnsafeReason::Response)
        .server([message(b'V', &[0; 4]), ready(b'I')].concat())
        .is_safe_when_idle();
}

#[test]
fn copy_is_unsafe_until_ready_for_query() {
    connected()
        .client(query("COPY a TO STDOUT"))
        .server(message(b'H', &[0; 3]))
        .server(message(b'd', b"1\n"))
        .is_unsafe(UnsafeReason::Copy)
        .server([message(b'c', b""), complete("COPY 1"), ready(b'I')].concat())
        .is_safe_when_idle();
    connected()
        .client(query("COPY a FROM STDIN"))
        .server(message(b'G', &[0; 3]))
        .client(message(b'd', b"1\n"))
        .is_unsafe(UnsafeReason::Copy)
        .client(message(b'c', b""))
        .is_unsafe(UnsafeReason::Response)
        .server([complete("COPY 1"), ready(b'I')].concat())
        .is_safe_when_idle();
}

#[test]
fn sync_before_the_data_of_a_copy_has_no_response() {
    connected()
        .client(
            [
                parse("", "COPY a FROM STDIN"),
                bind("", ""),
                execute(),
                sync(),
            ]
            .concat(),
        )
        .server(
            [
                message(b'1', b""),
                message(b'2', b""),
                message(b'G', &[0; 3]),
            ]
            .concat(),
        )
        .client(message(b'd', b"1\n"))
        .is_unsafe(UnsafeReason::Copy)
        .client(message(b'c', b""))
        .is_unsafe(UnsafeReason::Response)
        .client(sync())
        .server([complete("COPY 1"), ready(b'I')].concat())
        .is_safe_when_idle();
}

#[test]
fn failed_copy_ends_at_ready_for_query() {
    connected()
        .client(query("COPY a FROM STDIN"))
        .server(message(b'G', &[0; 3]))
        .client(message(b'd', b"x\n"))
        .server([message(b'E', b"SERROR\0\0"), ready(b'I')].concat())
        .client([message(b'd', b"y\n"), message(b'c', b"")].concat())
        .is_safe_when_idle();
}

#[test]
fn replication_is_never_idle() {
    connected()
        .client(query("START_REPLICATION SLOT a LOGICAL 0/0"))
        .server(message(b'W', &[0; 3]))
        .server(message(b'd', &[b'w'; 30]))
        .client(message(b'd', &[b'r'; 30]))
        .is_unsafe(UnsafeReason::Replication);
}

#[test]
fn message_is_unsafe_until_its_last_byte() {
    let notice = message(b'N', b"SNOTICE\0\0");
    connected()
        .server(&notice[..1])
        .is_unsafe(UnsafeReason::Message)
        .server(&notice[1..9])
        .is_unsafe(UnsafeReason::Message)
        .server(&notice[9..])
        .is_safe_when_idle()
        .client(&query("SELECT 1")[..3])
        .is_unsafe(UnsafeReason::Message);
}

#[test]
fn listen_pins_until_unlisten() {
    connected()
        .client(query("LISTEN orders"))
        .server([complete("LISTEN"), ready(b'I')].concat())
        .is_pinned(PinReason::Subscription)
        .client(query("UNLISTEN *"))
        .is_unsafe(UnsafeReason::Response)
        .server([complete("UNLISTEN"), ready(b'I')].concat())
        .is_safe_when_idle();
}

#[test]
fn notification_between_responses_shows_a_subscription() {
    let notification = message(b'A', b"\0\0\0\x01orders\0\0");
    in_use()
        .client(query("SELECT subscribe_to_orders()"))
        .server([rows(1, 1), ready(b'I')].concat())
        .server(&notification)
        .is_pinned(PinReason::Subscription)
        .client(query("UNLISTEN *"))
        .server([notification, complete("UNLISTEN"), ready(b'I')].concat())
        .is_safe_when_idle();
}

#[test]
fn setup_with_extended_queries_does_not_pin() {
    connected()
        .client(
            [
                parse("", "SET extra_float_digits = 3"),
                bind("", ""),
                execute(),
                sync(),
            ]
            .concat(),
        )
        .server([complete("SET"), ready(b'I')].concat())
        .is_safe_when_idle();
}

#[test]
fn statement_is_read_within_its_bound() {
    let padding = |size: usize| format!("SELECT '{}', pg_advisory_lock(1)", "x".repeat(size));
    let response = [rows(1, 1), ready(b'I')].concat();
    in_use()
        .client(query(&padding(900)))
        .server(&response)
        .is_pinned(PinReason::AdvisoryLock);
    in_use()
        .client(query(&padding(2000)))
        .server(&response)
        .is_safe_when_idle();
}

#[test]
fn named_statement_pins_each_time_it_is_executed() {
    let lock = [bind("", "lock"), execute(), sync()].concat();
    let done = [message(b'2', b""), rows(1, 1), ready(b'I')].concat();
    let reset = query("SELECT pg_advisory_unlock_all()");
    connected()
        .client([parse("lock", "SELECT pg_advisory_lock($1)"), lock.clone()].concat())
        .server([message(b'1', b""), done.clone()].concat())
        .is_pinned(PinReason::AdvisoryLock)
        .client(&reset)
        .server(&done)
        .client([bind("p", "other"), execute(), sync()].concat())
        .server(&done)
        .is_safe_when_idle()
        .client(&lock)
        .server(&done)
        .is_pinned(PinReason::AdvisoryLock);
}

#[test]
fn termination_is_closing() {
    connected()
        .client(message(b'X', b""))
        .is_unsafe(UnsafeReason::Closing);
}

#[test]
fn bytes_that_are_not_the_protocol_are_bypassed() {
    let first = |bytes: &[u8], reason| {
        Conversation::new(TcpProtocol::PostgreSql)
            .client(bytes)
            .is_bypassed(reason);
    };
    first(b"GET / HTTP/1.1\r\n", BypassReason::Unsupported);
    first(&[0, 0, 0, 9, 0, 2, 0, 0, 0], BypassReason::Unsupported);
    first(&[0, 1, 0, 0, 0, 3, 0, 0, 0], BypassReason::Malformed);
    connected()
        .client(message(b'?', b""))
        .is_bypassed(BypassReason::Malformed);
    connected()
        .client([b'Q', 0, 0, 0, 3])
        .is_bypassed(BypassReason::Malformed);
    connected()
        .server(message(b'Z', b"?"))
        .is_bypassed(BypassReason::Malformed);
}

#[test]
fn response_without_a_request_is_bypassed() {
    connected()
        .server(ready(b'I'))
        .is_bypassed(BypassReason::OutOfStep);
    connected()
        .server(message(b'G', &[0; 3]))
        .is_bypassed(BypassReason::OutOfStep);
    connecting()
        .client(query("SELECT 1"))
        .is_bypassed(BypassReason::OutOfStep);
}
