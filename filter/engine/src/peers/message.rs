//! The format of gossip messages: JSON, `{"v":1,"peers":[[…],…]}`, with whole numbers only.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::report::{Report, Row};
use super::{MAX_LEN, PeerId};
use crate::Instant;

const VERSION: u64 = 1;

/// Why a message was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedMessage {
    /// It has more than [`MAX_LEN`] bytes.
    TooLong,
    /// It is not JSON of this format.
    Malformed,
    /// It has a version that this module does not support.
    Version(u64),
}

/// A parsed message of another pod: rows in their order, `None` for an invalid row.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub(super) rows: Vec<Option<Row>>,
}

impl Message {
    /// Parses a message.
    ///
    /// # Errors
    ///
    /// The bytes are not a message of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, RejectedMessage> {
        if bytes.len() > MAX_LEN {
            return Err(RejectedMessage::TooLong);
        }
        let rows = read(bytes)?;
        Ok(Self { rows })
    }

    /// The pod that sent the message. A pod's own report is the first row, with an age of 0; without one the message has
    /// no sender.
    pub fn sender(&self) -> Option<PeerId> {
        let row = self.rows.first().copied().flatten()?;
        let own = Report::new(row, Instant::default())?;
        (row.8 == 0).then_some(own.id)
    }
}

#[derive(Serialize)]
struct Output<'a> {
    v: u64,
    peers: &'a [Row],
}

/// The part that every version has.
#[derive(Deserialize)]
struct Head {
    v: u64,
}

#[derive(Deserialize)]
struct Body {
    peers: Vec<Element>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Row(Row),
    Invalid(IgnoredAny),
}

/// Writes a message in visible ASCII, which fits in a header.
pub(super) fn write(rows: &[Row]) -> String {
    let message = Output {
        v: VERSION,
        peers: rows,
    };
    // Serialization of whole numbers does not fail.
    serde_json::to_string(&message).unwrap_or_default()
}

/// Reads the rows in their order; None for an invalid row.
fn read(message: &[u8]) -> Result<Vec<Option<Row>>, RejectedMessage> {
    let head: Head = parse(message)?;
    if head.v != VERSION {
        return Err(RejectedMessage::Version(head.v));
    }
    let body: Body = parse(message)?;
    Ok(body
        .peers
        .into_iter()
        .map(|element| match element {
            Element::Row(row) => Some(row),
            Element::Invalid(_) => None,
        })
        .collect())
}

fn parse<'a, T: Deserialize<'a>>(message: &'a [u8]) -> Result<T, RejectedMessage> {
    serde_json::from_slice(message).map_err(|_| RejectedMessage::Malformed)
}
