//! Tests of the database and broker scanners. In one binary, so that they share their conversations.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

mod amqp;
mod connections;
mod conversation;
mod detection;
mod mqtt;
mod mysql;
mod nats;
mod postgresql;
mod properties;
mod redis;
mod transcripts;
