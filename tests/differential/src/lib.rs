//! Compares the scanners of databases and brokers with maintained implementations of their protocols, on random
//! conversations that are split anywhere.
//!
//! A crate of its own, so that the unit tests of the scanners do not wait for these implementations to compile.
#![cfg(test)]

mod amqp;
mod mqtt;
mod mysql;
mod nats;
mod postgresql;
mod redis;

use evenkeel_wire::tcp::{Session, Side};

fn send(session: &mut Session, side: Side, mut bytes: &[u8]) {
    match side {
        Side::Client => session.client(&mut bytes),
        Side::Server => session.server(&mut bytes),
    }
}
