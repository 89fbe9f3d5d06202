//! Tests of HTTP/1 connections, each also cut at every byte.
#![allow(clippy::arithmetic_side_effects)]

mod bypass;
mod envoy;
mod messages;
mod persistence;
mod pipelining;
mod reads;
mod requests;
mod responses;
mod unread;

use super::{Http1Scanner, PersistenceFields, ResponseHead};
use crate::BypassReason;

/// The head of a response after which the connection persists, and that may get `connection: close`.
fn persistent(insert_at: usize) -> ResponseHead {
    ResponseHead {
        insert_at: Some(insert_at),
        may_close: true,
        closes: false,
        has_keep_alive_field: false,
        persistence: Some(PersistenceFields::default()),
    }
}

/// The head of `message` at the front of a write.
fn head_of(message: &messages::Message) -> ResponseHead {
    persistent(message.head().len() - 2)
}
