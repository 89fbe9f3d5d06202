//! How reports are written: JSON, `{"v":1,"peers":[[…],…]}`, all numbers whole.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::report::{Report, Row};
use super::{MAX_LEN, PeerId};
use crate::Instant;

const VERSION: u64 = 1;

/// Why a message was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedMessage {
    /// It has more than [`MAX_LEN`](super::MAX_LEN) bytes.
    TooLong,
    /// It is no JSON of the form.
    Malformed,
    /// It is of a version that this module does not speak.
    Version(u64),
}

/// A message of another pod, parsed: rows in their order, `None` for what is no row.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub(super) rows: Vec<Option<Row>>,
}

impl Message {
    /// Parses a message.
    ///
    /// # Errors
    ///
    /// The bytes are no message of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, RejectedMessage> {
        if bytes.len() > MAX_LEN {
            return Err(RejectedMessage::TooLong);
        }
        let rows = read(bytes)?;
        Ok(Self { rows })
    }

    /// The pod that wrote the message. A pod reports its own load first, as it is now; without that
    /// the message is from no pod.
    pub fn sender(&self) -> Option<PeerId> {
        let row = self.rows.first().copied().flatten()?;
        let own = Report::new(row, Instant::default())?;
        (row.8 == 0).then_some(own.id)
    }
}

#[derive(Serialize)]
struct Written<'a> {
    v: u64,
    peers: &'a [Row],
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    v: u64,
}

#[derive(Deserialize)]
struct Body {
    peers: Vec<Told>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Row(Row),
    Absurd(IgnoredAny),
}

/// Visible ASCII, so that it can travel in a header.
pub(super) fn write(rows: &[Row]) -> String {
    let message = Written {
        v: VERSION,
        peers: rows,
    };
    // Whole numbers can always be written.
    serde_json::to_string(&message).unwrap_or_default()
}

/// The rows in their order; None for what is none.
fn read(message: &[u8]) -> Result<Vec<Option<Row>>, RejectedMessage> {
    let head: Head = parse(message)?;
    if head.v != VERSION {
        return Err(RejectedMessage::Version(head.v));
    }
    let body: Body = parse(message)?;
    Ok(body
        .peers
        .into_iter()
        .map(|told| match told {
            Told::Row(row) => Some(row),
            Told::Absurd(_) => None,
        })
        .collect())
}

fn parse<'a, T: Deserialize<'a>>(message: &'a [u8]) -> Result<T, RejectedMessage> {
    serde_json::from_slice(message).map_err(|_| RejectedMessage::Malformed)
}
