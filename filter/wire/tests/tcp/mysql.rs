//! MySQL and MariaDB: conversations by the documentation of the protocol.

mod messages;

use crate::conversation::Conversation;
use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{PinReason, TcpProtocol, UnsafeReason};
use messages::*;

fn greeted(capabilities: u64) -> Conversation {
    let mut conversation = Conversation::new(TcpProtocol::MySql);
    conversation.server(greeting(
        capabilities | SSL | PROTOCOL_41 | OPTIONAL_METADATA,
    ));
    conversation
}

fn connected(capabilities: u64) -> Conversation {
    let mut conversation = greeted(capabilities);
    conversation
        .client(login(capabilities | PROTOCOL_41))
        .server(ok(2, AUTOCOMMIT));
    conversation
}

/// The dialects of the protocol in which result sets differ.
const DIALECTS: [u64; 3] = [MYSQL, MYSQL | DEPRECATE_EOF, DEPRECATE_EOF | PROGRESS];

#[test]
fn login_is_a_handshake_until_ok() {
    Conversation::new(TcpProtocol::MySql)
        .is_unsafe(UnsafeReason::Handshake)
        .server(greeting(MYSQL | PROTOCOL_41))
        .is_unsafe(UnsafeReason::Handshake)
        .client(login(MYSQL | PROTOCOL_41))
        .server(packet(2, b"\xfecaching_sha2_password\0scramble\0"))
        .client(packet(3, &[3; 32]))
        .server(packet(4, b"\x01\x03"))
        .is_unsafe(UnsafeReason::Handshake)
        .server(ok(5, AUTOCOMMIT))
        .is_safe_when_idle();
}

#[test]
fn rejected_login_is_closing() {
    Conversation::new(TcpProtocol::MySql)
        .server(error(0))
        .is_unsafe(UnsafeReason::Closing);
    greeted(MYSQL)
        .client(login(MYSQL | PROTOCOL_41))
        .server(error(2))
        .is_unsafe(UnsafeReason::Closing);
}

#[test]
fn encryption_and_compression_are_bypassed() {
    let flags = (MYSQL | SSL | PROTOCOL_41).to_le_bytes();
    let ssl_request = [&flags[..4], &[0, 0, 0, 1, 45], &[0; 23]].concat();
    greeted(MYSQL)
        .client(packet(1, &ssl_request))
        .is_bypassed(BypassReason::Encrypted);
    greeted(MYSQL | COMPRESS)
        .client(login(MYSQL | PROTOCOL_41 | COMPRESS))
        .is_bypassed(BypassReason::Compressed);
    greeted(MYSQL)
        .client(login(MYSQL | PROTOCOL_41 | COMPRESS))
        .is_unsafe(UnsafeReason::Handshake);
    greeted(MYSQL)
        .client(login(MYSQL | PROTOCOL_41 | OPTIONAL_METADATA))
        .is_bypassed(BypassReason::Unsupported);
    greeted(MYSQL)
        .client(login(MYSQL))
        .is_bypassed(BypassReason::Unsupported);
}

#[test]
fn command_is_unsafe_until_its_ok_or_error() {
    for response in [ok(1, AUTOCOMMIT), error(1)] {
        for request in [
            query("UPDATE a SET b = 1"),
            command(14, b""),
            command(2, b"shop"),
        ] {
            connected(MYSQL)
                .client(request)
                .is_unsafe(UnsafeReason::Response)
                .server(&response)
                .is_safe_when_idle();
        }
    }
}

#[test]
fn result_set_is_unsafe_until_its_end() {
    for capabilities in DIALECTS {
        let response = result_set(capabilities, 3, AUTOCOMMIT);
        let split = response.len() - 3;
        connected(capabilities)
            .client(query("SELECT 1"))
            .server(&response[..split])
            .is_unsafe(UnsafeReason::Response)
            .server(&response[split..])
            .is_safe_when_idle()
            .client(query("SELECT 1"))
            .server(result_set(capabilities, 0, AUTOCOMMIT))
            .is_safe_when_idle()
            .client(query("SELECT 1"))
            .server([packet(1, &[1]), definitions(capabilities, 1), error(4)].concat())
            .is_safe_when_idle();
    }
}

#[test]
fn each_of_several_results_is_expected() {
    for capabilities in DIALECTS {
        connected(capabilities)
            .client(query("CALL f()"))
            .server(result_set(capabilities, 1, MORE_RESULTS))
            .is_unsafe(UnsafeReason::Response)
            .server(ok(7, MORE_RESULTS))
            .is_unsafe(UnsafeReason::Response)
            .server(ok(8, AUTOCOMMIT))
            .is_safe_when_idle();
    }
}

#[test]
fn transaction_is_unsafe_until_the_status_flags_end_it() {
    for capabilities in DIALECTS {
        connected(capabilities)
            .client(query("BEGIN"))
            .server(ok(1, IN_TRANSACTION))
            .is_unsafe(UnsafeReason::Transaction)
            .client(query("SELECT 1"))
            .server(result_set(capabilities, 1, IN_TRANSACTION))
            .is_unsafe(UnsafeReason::Transaction)
            .client(query("BROKEN"))
            .server(error(1))
            .is_unsafe(UnsafeReason::Transaction)
            .client(query("COMMIT"))
            .server(ok(1, AUTOCOMMIT))
            .is_safe_when_idle();
    }
}

#[test]
fn error_without_autocommit_may_be_in_a_transaction() {
    connected(MYSQL)
        .client(query("SET autocommit = 0"))
        .server(ok(1, 0))
        .is_safe_when_idle()
        .client(query("INSERT INTO a VALUES (1)"))
        .server(error(1))
        .is_unsafe(UnsafeReason::Transaction)
        .client(query("ROLLBACK"))
        .server(ok(1, 0))
        .is_safe_when_idle();
}

#[test]
fn procedure_that_fails_may_be_in_a_transaction() {
    for sql in ["CALL transfer(1, 2)", "EXECUTE prepared_call"] {
        connected(MYSQL)
            .client(query(sql))
            .server(error(1))
            .is_unsafe(UnsafeReason::Transaction)
            .client(query("ROLLBACK"))
            .server(ok(1, AUTOCOMMIT))
            .is_safe_when_idle();
    }
}

#[test]
fn another_database_pins() {
    for select in [query("USE archive"), command(2, b"archive")] {
        connected(MYSQL)
            .client(&select)
            .server(ok(1, AUTOCOMMIT))
            .is_safe_when_idle()
            .client(query("INSERT INTO a VALUES (1)"))
            .server(ok(1, AUTOCOMMIT))
            .client(&select)
            .server(ok(1, AUTOCOMMIT))
            .is_pinned(PinReason::SessionSetting);
    }
}

#[test]
fn query_attributes_are_bypassed() {
    let query = |attributes: &[u8]| {
        command(
            3,
            &[attributes, b"SELECT GET_LOCK('a', 1)".as_slice()].concat(),
        )
    };
    let capabilities = MYSQL | QUERY_ATTRIBUTES;
    connected(capabilities)
        .client(query(&[0, 1]))
        .server(ok(1, AUTOCOMMIT))
        .is_pinned(PinReason::AdvisoryLock);
    connected(capabilities)
        .client(query(b"\x01\x01\0\x01\xfe\0\x04name\x05it's "))
        .is_bypassed(BypassReason::Unsupported);
}

#[test]
fn prepared_statement_is_complete_after_its_definitions() {
    for capabilities in DIALECTS {
        for (parameters, columns) in [(0, 0), (2, 0), (0, 2), (1, 2)] {
            let head = packet(1, &[0, 1, 0, 0, 0, columns, 0, parameters, 0, 0, 0, 0]);
            let mut rest = Vec::new();
            for count in [parameters, columns].into_iter().filter(|count| *count > 0) {
                rest.extend(definitions(capabilities, usize::from(count)));
            }
            let mut conversation = connected(capabilities);
            conversation
                .client(command(22, b"SELECT ?, ?"))
                .server(head);
            if !rest.is_empty() {
                conversation
                    .is_unsafe(UnsafeReason::Response)
                    .server(&rest[..rest.len() - 1])
                    .is_unsafe(UnsafeReason::Response)
                    .server(&rest[rest.len() - 1..]);
            }
            conversation.is_safe_when_idle();
        }
    }
}

#[test]
fn statements_without_a_response_are_not_pending() {
    connected(MYSQL)
        .client([command(24, b"\x01\0\0\0\0\0data"), execute(1, 0)].concat())
        .is_unsafe(UnsafeReason::Response)
        .server(ok(1, AUTOCOMMIT))
        .client(command(25, &[1, 0, 0, 0]))
        .is_safe_when_idle();
}

#[test]
fn batch_without_waiting_is_unsafe_until_its_last_response() {
    connected(MYSQL)
        .client([execute(1, 0).repeat(100), command(26, &[1, 0, 0, 0])].concat())
        .server(ok(1, AUTOCOMMIT).repeat(100))
        .is_unsafe(UnsafeReason::Response)
        .server(ok(1, AUTOCOMMIT))
        .is_safe_when_idle();
}

#[test]
fn open_cursor_is_unsafe_until_its_last_row() {
    for capabilities in DIALECTS {
        let opened = match capabilities & DEPRECATE_EOF {
            0 => {
                let definition = packet(2, b"\x03def");
                [
                    packet(1, &[1]),
                    definition,
                    eof(capabilities, CURSOR_EXISTS),
                ]
                .concat()
            }
            _ => [
                packet(1, &[1]),
                packet(2, b"\x03def"),
                eof(capabilities, CURSOR_EXISTS),
            ]
            .concat(),
        };
        let fetch = command(28, &[1, 0, 0, 0, 10, 0, 0, 0]);
        let rows = packet(1, b"\0\0\x011").repeat(2);
        connected(capabilities)
            .client(execute(1, 1))
            .server(&opened)
            .is_unsafe(UnsafeReason::Cursor)
            .client(&fetch)
            .server([rows.clone(), eof(capabilities, CURSOR_EXISTS)].concat())
            .is_unsafe(UnsafeReason::Cursor)
            .client(&fetch)
            .server([rows, eof(capabilities, LAST_ROW_SENT)].concat())
            .is_safe_when_idle()
            .client(execute(1, 1))
            .server(&opened)
            .is_unsafe(UnsafeReason::Cursor)
            .client(command(25, &[1, 0, 0, 0]))
            .is_safe_when_idle();
    }
}

#[test]
fn local_file_is_unsafe_until_the_result() {
    connected(MYSQL)
        .client(query("LOAD DATA LOCAL INFILE 'a' INTO TABLE b"))
        .server(packet(1, b"\xfba"))
        .is_unsafe(UnsafeReason::Copy)
        .client([packet(2, b"\x03data"), packet(3, b"")].concat())
        .is_unsafe(UnsafeReason::Response)
        .server(ok(4, AUTOCOMMIT))
        .is_safe_when_idle();
}

#[test]
fn payload_of_several_packets_is_one_message() {
    let long = |code: u8, sequence| {
        let first = packet(sequence, &[&[code], &vec![b' '; 0xff_fffe][..]].concat());
        [first, packet(sequence + 1, b"\x01\x02")].concat()
    };
    let mut session = evenkeel_wire::tcp::Session::new(TcpProtocol::MySql);
    session.server(&mut &greeting(MYSQL | PROTOCOL_41)[..]);
    session.client(&mut &login(MYSQL | PROTOCOL_41)[..]);
    session.server(&mut &ok(2, AUTOCOMMIT)[..]);
    session.client(&mut &long(3, 0)[..]);
    // A row of 16 MiB, whose first byte is that of an EOF, and its second packet, that of an ERR.
    let head = [packet(1, &[1]), definitions(MYSQL, 1)].concat();
    let rows = [packet(4, &vec![0xfe; 0xff_ffff]), packet(5, b"\xff")].concat();
    session.server(&mut &[head, rows].concat()[..]);
    let pending = evenkeel_wire::tcp::SessionState::Unsafe(UnsafeReason::Response);
    assert_eq!(session.state(), pending);
    session.server(&mut &eof(MYSQL, AUTOCOMMIT)[..]);
    assert_eq!(
        session.state(),
        evenkeel_wire::tcp::SessionState::SafeWhenIdle
    );
}

#[test]
fn mariadb_skips_known_definitions() {
    for capabilities in [CACHE_METADATA, CACHE_METADATA | DEPRECATE_EOF] {
        let end = match capabilities & DEPRECATE_EOF {
            0 => eof(capabilities, AUTOCOMMIT),
            _ => Vec::new(),
        };
        let rows = [packet(1, b"\0\0\x011"), eof(capabilities, AUTOCOMMIT)].concat();
        connected(capabilities)
            .client(execute(1, 0))
            .server([packet(1, &[1, 0]), end].concat())
            .is_unsafe(UnsafeReason::Response)
            .server(&rows)
            .is_safe_when_idle()
            .client(execute(1, 0))
            .server(
                [
                    packet(1, &[1, 1]),
                    definitions(capabilities, 1),
                    rows.clone(),
                ]
                .concat(),
            )
            .is_safe_when_idle();
    }
}

#[test]
fn mariadb_progress_report_is_no_error() {
    connected(PROGRESS)
        .client(query("ALTER TABLE a"))
        .server(packet(1, b"\xff\xff\xff\x01\x01\x02\0\0\0\x04copy"))
        .is_unsafe(UnsafeReason::Response)
        .server(ok(2, AUTOCOMMIT))
        .is_safe_when_idle();
}

#[test]
fn change_of_user_is_unsafe_until_ok_and_resets_the_session() {
    connected(MYSQL)
        .client(query("BEGIN"))
        .server(ok(1, IN_TRANSACTION))
        .client(query("LOCK TABLES a WRITE"))
        .server(ok(1, AUTOCOMMIT))
        .is_pinned(PinReason::TableLock)
        .client(command(17, b"app\0\0shop\0"))
        .server(packet(1, b"\xfemysql_native_password\0"))
        .client(packet(2, &[1; 20]))
        .is_unsafe(UnsafeReason::Response)
        .server(ok(3, AUTOCOMMIT))
        .is_safe_when_idle();
}

#[test]
fn session_state_pins_until_the_connection_is_reset() {
    connected(MYSQL)
        .client(command(22, b"SELECT GET_LOCK(?, 1)"))
        .server(packet(1, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
        .is_pinned(PinReason::AdvisoryLock)
        .client(command(31, b""))
        .server(ok(1, AUTOCOMMIT))
        .is_safe_when_idle();
}

#[test]
fn replica_is_never_idle() {
    connected(MYSQL)
        .client(command(21, &[0; 18]))
        .server(ok(1, AUTOCOMMIT))
        .client(command(18, &[0; 10]))
        .server(packet(1, &[0; 30]))
        .is_unsafe(UnsafeReason::Replication);
}

#[test]
fn end_by_either_side_is_closing() {
    connected(MYSQL)
        .client(command(1, b""))
        .is_unsafe(UnsafeReason::Closing);
    connected(MYSQL)
        .server(error(0))
        .is_unsafe(UnsafeReason::Closing);
}

#[test]
fn bytes_that_are_not_the_protocol_are_bypassed() {
    Conversation::new(TcpProtocol::MySql)
        .client(query("SELECT 1"))
        .is_bypassed(BypassReason::OutOfStep);
    Conversation::new(TcpProtocol::MySql)
        .server(packet(0, b"\x09old\0"))
        .is_bypassed(BypassReason::Unsupported);
    connected(MYSQL)
        .client(packet(1, b"\x03SELECT 1"))
        .is_bypassed(BypassReason::OutOfStep);
    connected(MYSQL)
        .client(command(0x20, b""))
        .is_bypassed(BypassReason::Unsupported);
    connected(MYSQL)
        .server(ok(1, AUTOCOMMIT))
        .is_bypassed(BypassReason::OutOfStep);
    connected(MYSQL)
        .client(command(14, b""))
        .server(packet(1, &[0, 0]))
        .is_bypassed(BypassReason::Malformed);
}

#[test]
fn different_commands_without_waiting_are_followed_up_to_a_limit() {
    let pair = [command(14, b""), query("SELECT 1")].concat();
    connected(MYSQL)
        .client(pair.repeat(32))
        .is_unsafe(UnsafeReason::Response)
        .client(pair)
        .is_bypassed(BypassReason::TooManyInFlight);
}
