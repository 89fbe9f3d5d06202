//! What the server sends: result sets, definitions and files.

use super::messages::*;
use super::{DIALECTS, connected};
use evenkeel_wire::tcp::UnsafeReason;

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
fn open_cursor_is_unsafe_until_its_last_row() {
    for capabilities in DIALECTS {
        let opened = [
            packet(1, &[1]),
            packet(2, b"\x03def"),
            eof(capabilities, CURSOR_EXISTS),
        ]
        .concat();
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
