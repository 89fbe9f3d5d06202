//! Stories of HTTP/1 connections, each also cut at every byte.
#![allow(clippy::arithmetic_side_effects)]

mod answers;
mod envoy;
mod messages;
mod persistence;
mod pipelining;
mod reads;
mod refusals;
mod requests;

use super::{Http1Scanner, PersistenceFields, ResponseHead};
use crate::BypassReason;

/// A head after which the connection goes on and might be told to close.
fn persistent(insert_at: usize) -> ResponseHead {
    ResponseHead {
        insert_at: Some(insert_at),
        may_close: true,
        closes: false,
        has_keep_alive_field: false,
        persistence: Some(PersistenceFields::default()),
    }
}

/// The head of `message`, which is the first thing in a write.
fn head_of(message: &messages::Message) -> ResponseHead {
    persistent(message.head().len() - 2)
}
