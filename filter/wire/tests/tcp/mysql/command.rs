//! What the client sends, and what it leaves open.

use super::messages::*;
use super::{DIALECTS, connected};
use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{PinReason, UnsafeReason};

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
fn different_commands_without_waiting_are_followed_up_to_a_limit() {
    let pair = [command(14, b""), query("SELECT 1")].concat();
    connected(MYSQL)
        .client(pair.repeat(32))
        .is_unsafe(UnsafeReason::Response)
        .client(pair)
        .is_bypassed(BypassReason::TooManyInFlight);
}
