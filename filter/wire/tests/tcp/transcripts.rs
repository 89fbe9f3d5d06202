//! Conversations that were recorded between real clients and real servers, with the state that is expected at
//! points at which the client was made to wait.
//!
//! A line of a transcript is what one side sent (`C` or `S`, in hexadecimal), or an expected state (`=`).

use crate::conversation::send;
use evenkeel_wire::tcp::{Session, SessionState, Side, TcpProtocol};

enum Line {
    Bytes(Side, Vec<u8>),
    Expect(String),
}

fn read(name: &str) -> Vec<Line> {
    let path = format!(
        "{}/tests/tcp/transcripts/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| match line.split_once(' ').unwrap() {
            ("=", state) => Line::Expect(state.to_owned()),
            ("C", hex) => Line::Bytes(Side::Client, decode(hex)),
            ("S", hex) => Line::Bytes(Side::Server, decode(hex)),
            _ => panic!("{line}"),
        })
        .collect()
}

fn decode(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn describe(state: SessionState) -> String {
    match state {
        SessionState::Safe => "safe".to_owned(),
        SessionState::SafeWhenIdle => "safe_when_idle".to_owned(),
        SessionState::Unsafe(reason) => format!("unsafe {}", reason.name()),
        SessionState::Pinned(reason) => format!("pinned {}", reason.name()),
        SessionState::Bypassed(reason) => format!("bypassed {}", reason.name()),
    }
}

/// Checks a transcript, in the pieces that were recorded and in smaller ones.
fn check(protocol: TcpProtocol, name: &str) {
    let lines = read(name);
    for size in [usize::MAX, 1, 5, 64] {
        let mut session = Session::new(protocol);
        let mut checked = 0;
        for (index, line) in lines.iter().enumerate() {
            match line {
                Line::Bytes(side, bytes) => {
                    bytes
                        .chunks(size)
                        .for_each(|piece| send(&mut session, *side, piece));
                    let is_bypassed = matches!(session.state(), SessionState::Bypassed(_));
                    assert!(!is_bypassed, "{name} {index}: {:?}", session.state());
                }
                Line::Expect(expected) => {
                    assert_eq!(
                        &describe(session.state()),
                        expected,
                        "{name} {index}, {size}"
                    );
                    checked += 1;
                }
            }
        }
        assert!(checked >= 2, "{name} expects nothing");
    }
}

#[test]
fn psycopg_with_postgresql() {
    check(TcpProtocol::PostgreSql, "postgresql_psycopg");
}

#[test]
fn asyncpg_with_postgresql() {
    check(TcpProtocol::PostgreSql, "postgresql_asyncpg");
}

#[test]
fn pgjdbc_with_postgresql() {
    check(TcpProtocol::PostgreSql, "postgresql_pgjdbc");
}

#[test]
fn connector_j_with_mariadb() {
    check(TcpProtocol::MySql, "mariadb_connector_j");
}

#[test]
fn pymysql_with_mariadb() {
    check(TcpProtocol::MySql, "mariadb");
}

#[test]
fn redis_py_with_redis() {
    check(TcpProtocol::Redis, "redis_resp2");
    check(TcpProtocol::Redis, "redis_resp3");
    check(TcpProtocol::Redis, "redis_subscribe");
}

#[test]
fn nats_py_with_nats_server() {
    check(TcpProtocol::Nats, "nats");
}

#[test]
fn pika_with_rabbitmq() {
    check(TcpProtocol::Amqp, "amqp");
}

#[test]
fn paho_with_mosquitto() {
    check(TcpProtocol::Mqtt, "mqtt4_clean");
    check(TcpProtocol::Mqtt, "mqtt4_persistent");
    check(TcpProtocol::Mqtt, "mqtt5_clean");
    check(TcpProtocol::Mqtt, "mqtt5_persistent");
}
