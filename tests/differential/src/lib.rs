//! The scanners of databases and brokers agree with maintained implementations of their protocols, on conversations of any
//! kind that are cut anywhere.
//!
//! A crate of its own, so that the unit tests of the scanners do not wait for these implementations to compile.
#![cfg(test)]

mod amqp;
mod mqtt;
mod mysql;
mod nats;
mod postgresql;
mod redis;

use evenkeel_wire::tcp::Session;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

fn send(session: &mut Session, side: Side, mut bytes: &[u8]) {
    match side {
        Side::Client => session.client(&mut bytes),
        Side::Server => session.server(&mut bytes),
    }
}
