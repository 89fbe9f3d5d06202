//! The format of gossip messages: JSON, `{"v":1,"peers":[[…],…]}`, with whole numbers only.

use core::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

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

/// A JSON value, as far as a message can consist of it. Unlike a derived reader it takes any value in any place, and so
/// needs no code that describes unexpected ones.
enum Value {
    Whole(i128),
    List(Vec<Value>),
    /// Members in their order, repeated keys included.
    Object(Vec<(String, Value)>),
    Other,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Value::Object(members))
    }
}

/// Writes a message in visible ASCII, which fits in a header.
pub(super) fn write(rows: &[Row]) -> String {
    /// The usual length of a row.
    const ROW: usize = 96;
    let mut text = String::with_capacity(rows.len().saturating_add(1).saturating_mul(ROW));
    let _ = write!(text, r#"{{"v":{VERSION},"peers":["#);
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_row(row, &mut text);
    }
    text.push_str("]}");
    text
}

fn write_row(row: &Row, text: &mut String) {
    let (id, connections, active, requests, bytes, weight, uptime, since_request, age) = row;
    let _ = write!(
        text,
        "[{id},{connections},{active},{requests},{bytes},{weight},{uptime},{since_request},{age}]"
    );
}

/// Reads the rows in their order; None for an invalid row.
fn read(message: &[u8]) -> Result<Vec<Option<Row>>, RejectedMessage> {
    let Ok(Value::Object(members)) = serde_json::from_slice(message) else {
        return Err(RejectedMessage::Malformed);
    };
    // The part that every version has.
    let Some(&Value::Whole(version)) = find(&members, "v") else {
        return Err(RejectedMessage::Malformed);
    };
    let version = u64::try_from(version).map_err(|_| RejectedMessage::Malformed)?;
    if version != VERSION {
        return Err(RejectedMessage::Version(version));
    }
    match find(&members, "peers") {
        Some(Value::List(rows)) => Ok(rows.iter().map(read_row).collect()),
        _ => Err(RejectedMessage::Malformed),
    }
}

/// The value of a key that occurs once.
fn find<'a>(members: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    let mut found = members.iter().filter(|(name, _)| name == key);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}

fn read_row(row: &Value) -> Option<Row> {
    let Value::List(numbers) = row else {
        return None;
    };
    let [
        Value::Whole(id),
        Value::Whole(connections),
        Value::Whole(active),
        Value::Whole(requests),
        Value::Whole(bytes),
        Value::Whole(weight),
        Value::Whole(uptime),
        Value::Whole(since_request),
        Value::Whole(age),
    ] = numbers.as_slice()
    else {
        return None;
    };
    Some((
        convert(id)?,
        convert(connections)?,
        convert(active)?,
        convert(requests)?,
        convert(bytes)?,
        convert(weight)?,
        convert(uptime)?,
        convert(since_request)?,
        convert(age)?,
    ))
}

fn convert<T: TryFrom<i128>>(number: &i128) -> Option<T> {
    T::try_from(*number).ok()
}
