#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use PinReason::*;

/// The pins of a session after statements, each in a message of its own, in one piece and byte by byte.
fn pins(dialect: Dialect, statements: &[&str]) -> Pins {
    let run = |size: usize| {
        let mut session = SqlSession::default();
        for statement in statements {
            let mut reader = SqlReader::new(dialect);
            statement
                .as_bytes()
                .chunks(size)
                .for_each(|bytes| reader.push(bytes));
            session.apply(reader.finish());
        }
        session.pins
    };
    assert_eq!(run(1), run(usize::MAX), "{statements:?}");
    run(1)
}

fn set(reasons: &[PinReason]) -> Pins {
    let mut pins = Pins::default();
    reasons.iter().for_each(|reason| pins.insert(*reason));
    pins
}

#[track_caller]
fn assert_postgresql(cases: &[(&str, &[PinReason])]) {
    for (statement, reasons) in cases {
        assert_eq!(
            pins(Dialect::PostgreSql, &["BEGIN", statement]),
            set(reasons),
            "{statement}"
        );
    }
}

#[test]
fn statements_that_create_session_state_pin() {
    assert_postgresql(&[
        ("LISTEN orders", &[Subscription]),
        ("listen \"Orders\"; SELECT 1", &[Subscription]),
        (
            "/* a comment */ -- another\n LISTEN orders",
            &[Subscription],
        ),
        ("SELECT pg_advisory_lock(1)", &[AdvisoryLock]),
        (
            "select 1 where pg_try_advisory_lock_shared ( 1, 2 )",
            &[AdvisoryLock],
        ),
        ("CREATE TEMP TABLE a (b int)", &[TemporaryTable]),
        (
            "create local temporary table a as select 1",
            &[TemporaryTable],
        ),
        ("SELECT a INTO TEMP b FROM c", &[TemporaryTable]),
        ("PREPARE a AS SELECT 1", &[PreparedStatement]),
        ("DECLARE a CURSOR WITH HOLD FOR SELECT 1", &[HeldCursor]),
        ("SET statement_timeout = 0", &[SessionSetting]),
        ("SET SESSION statement_timeout = 0", &[SessionSetting]),
        ("SELECT set_config('a.b', 'c', false)", &[SessionSetting]),
        (
            "SELECT set_config('a', $1, true), set_config('b', $2, false)",
            &[SessionSetting],
        ),
        ("SELECT set_config($1, $2, $3)", &[SessionSetting]),
        ("LISTEN a; SET b = 1;", &[Subscription, SessionSetting]),
        ("/* a /* b */ c */ LISTEN a", &[Subscription]),
        ("SELECT E'it\\'s'; LISTEN a", &[Subscription]),
        ("SELECT $$it's$$; LISTEN a", &[Subscription]),
        ("SELECT $a$ $$ it's $b$ $a$; LISTEN a", &[Subscription]),
        ("SELECT a$b$c FROM d; LISTEN a", &[Subscription]),
        ("SELECT $1, $2; LISTEN a", &[Subscription]),
        (
            "CREATE TEMP TABLE a (b int) ON COMMIT DELETE ROWS",
            &[TemporaryTable],
        ),
        ("CREATE TABLE pg_temp.a (b int)", &[TemporaryTable]),
        (
            "DO $$ BEGIN CREATE TEMP TABLE a (b int); END $$",
            &[TemporaryTable],
        ),
        (
            "DO $a$ BEGIN IF b THEN LISTEN c; END IF; COMMIT; END $a$; SELECT 1",
            &[Subscription],
        ),
        (
            "DO LANGUAGE plpgsql $$ BEGIN PERFORM pg_advisory_lock(1); END $$",
            &[AdvisoryLock],
        ),
        (
            "DO $$ BEGIN RAISE NOTICE 'a'; END $$; LISTEN b",
            &[Subscription],
        ),
    ]);
}

#[test]
fn statements_without_session_state_do_not_pin() {
    assert_postgresql(&[
        ("", &[]),
        ("SELECT 'LISTEN orders; SET a = 1'", &[]),
        ("SELECT \"pg_advisory_lock\"", &[]),
        ("SELECT 1 -- ; LISTEN orders", &[]),
        ("SELECT /* ; LISTEN orders */ 1", &[]),
        ("NOTIFY orders, 'listen'", &[]),
        ("SELECT pg_advisory_xact_lock(1)", &[]),
        ("SET LOCAL statement_timeout = 0", &[]),
        ("SET TRANSACTION READ ONLY", &[]),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", &[]),
        ("SET CONSTRAINTS ALL DEFERRED", &[]),
        ("PREPARE TRANSACTION 'a'", &[]),
        ("DECLARE a CURSOR FOR SELECT 1", &[]),
        ("DECLARE a CURSOR WITHOUT HOLD FOR SELECT 1", &[]),
        ("CREATE TABLE temp_orders (a int)", &[]),
        ("CREATE TABLE temporary_ (a int)", &[]),
        ("UPDATE a SET b = 1", &[]),
        ("LOCK TABLE a IN SHARE MODE", &[]),
        (
            "SELECT set_config('a', $1, true), set_config('b', $2, true)",
            &[],
        ),
        ("SET application_name = 'a'", &[]),
        ("SET SESSION application_name = 'a'", &[]),
        ("CREATE TEMP TABLE a (b int) ON COMMIT DROP", &[]),
        (
            "CREATE TEMP TABLE a ON COMMIT DROP AS SELECT 1; SELECT 2",
            &[],
        ),
        (
            "CREATE FUNCTION a() AS $$ BEGIN; SET b = 1; LISTEN c; END $$",
            &[],
        ),
        ("SELECT 1 / 2 - 1; SELECT 3", &[]),
    ]);
}

#[test]
fn statements_that_delete_session_state_unpin() {
    let all = [
        "BEGIN",
        "LISTEN a",
        "SELECT pg_advisory_lock(1)",
        "CREATE TEMP TABLE a (b int)",
        "PREPARE a AS SELECT 1",
        "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
        "SET a = 1",
    ];
    let after = |statement| pins(Dialect::PostgreSql, &[&all[..], &[statement]].concat());
    assert_eq!(after("DISCARD ALL"), Pins::default());
    let reset = "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;";
    assert_eq!(after(reset), set(&[TemporaryTable, PreparedStatement]));
    let rest = [Subscription, AdvisoryLock, HeldCursor, SessionSetting];
    assert_eq!(after("DEALLOCATE PREPARE ALL; DISCARD TEMP"), set(&rest));
    for kept in [
        "UNLISTEN a",
        "RESET a",
        "CLOSE a",
        "DEALLOCATE a",
        "DISCARD PLANS",
    ] {
        assert_eq!(after(kept), after("SELECT 1"), "{kept}");
    }
    assert_eq!(after("DISCARD ALL; LISTEN b"), set(&[Subscription]));
}

#[test]
fn settings_of_the_connection_setup_do_not_pin() {
    let setup = [
        "SET extra_float_digits = 3",
        "select pg_catalog.version()",
        "SHOW a",
        "SET b = 1",
    ];
    assert_eq!(pins(Dialect::PostgreSql, &setup), Pins::default());
    assert_eq!(
        pins(Dialect::PostgreSql, &["SELECT b FROM c", "SET a = 1"]),
        set(&[SessionSetting])
    );
    assert_eq!(
        pins(Dialect::PostgreSql, &["LISTEN a"]),
        set(&[Subscription])
    );
}

#[test]
fn mysql_statements_are_read_by_their_own_rules() {
    let cases: [(&str, &[PinReason]); 27] = [
        ("LOCK TABLES a WRITE", &[TableLock]),
        ("LOCK TABLES a WRITE; UNLOCK TABLES", &[]),
        ("FLUSH TABLES WITH READ LOCK", &[TableLock]),
        ("FLUSH TABLES", &[]),
        ("FLUSH PRIVILEGES", &[]),
        ("SELECT GET_LOCK('a', 1)", &[AdvisoryLock]),
        ("CREATE TEMPORARY TABLE a (b int)", &[TemporaryTable]),
        ("PREPARE a FROM 'SELECT 1'", &[PreparedStatement]),
        ("HANDLER a OPEN", &[HeldCursor]),
        ("SET @a = 1", &[SessionSetting]),
        ("SET @@session.sql_mode = ''", &[SessionSetting]),
        ("SET autocommit = 0", &[]),
        ("SET SESSION TRANSACTION READ ONLY", &[]),
        ("SET GLOBAL max_connections = 1", &[]),
        ("SELECT 'it\\'s; LOCK TABLES a'", &[]),
        ("SELECT 1 # ; LOCK TABLES a", &[]),
        ("SELECT 1 -- ; LOCK TABLES a", &[]),
        ("SELECT 1--1; LOCK TABLES a", &[TableLock]),
        ("/*!40101 SET NAMES utf8 */; SELECT 1", &[SessionSetting]),
        ("/*M!100100 LOCK TABLES a WRITE */", &[TableLock]),
        ("/* it's ! */ LOCK TABLES a WRITE", &[TableLock]),
        ("/*/ SET a = 1 */ SELECT 1", &[]),
        ("SELECT /*+ MAX_EXECUTION_TIME(9) */ 1", &[]),
        ("SELECT a INTO @b FROM c", &[SessionSetting]),
        ("SELECT @a := 1", &[SessionSetting]),
        ("SET SQL_SELECT_LIMIT = DEFAULT", &[]),
        ("SELECT `a\\`; LOCK TABLES b WRITE", &[TableLock]),
    ];
    for (statement, reasons) in cases {
        assert_eq!(
            pins(Dialect::MySql, &["BEGIN", statement]),
            set(reasons),
            "{statement}"
        );
    }
}
