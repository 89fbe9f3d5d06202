//! The table of raw HTTP/1 requests, a file for each part of RFC 9112.

mod body;
mod connection;
mod field;
mod line;

use std::fmt;

/// The bytes of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub name: &'static str,
    text: String,
    /// The number of its final responses.
    pub responses: usize,
    /// The client closes its write side behind it.
    pub finished: bool,
}

/// The id of an exchange in the requests of the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(pub u32);

/// The placeholder of the id in the table.
const PLACE: &str = "{id}";
const MARK: &str = "id-";
const DIGITS: usize = 6;

/// Returns every request of the table.
pub fn all() -> Vec<Request> {
    [
        line::requests(),
        field::requests(),
        body::requests(),
        connection::requests(),
    ]
    .concat()
}

impl Request {
    /// Each character of `text` is the byte with its code point.
    fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            text: text.into(),
            responses: 1,
            finished: false,
        }
    }

    fn responses(mut self, responses: usize) -> Self {
        self.responses = responses;
        self
    }

    fn finished(mut self) -> Self {
        self.finished = true;
        self
    }

    /// Returns the bytes with this id.
    pub fn bytes(&self, id: Id) -> Vec<u8> {
        let text = self.text.replace(PLACE, &id.to_string());
        text.chars()
            .map(|character| u8::try_from(character).expect("the table has bytes only"))
            .collect()
    }

    /// Returns where it is split: behind the first byte and before the last, in the middle, and before and behind the LF that ends
    /// the first line and the first head.
    pub fn splits(&self, id: Id) -> Vec<usize> {
        let bytes = self.bytes(id);
        let after = |part: &[u8]| {
            let at = bytes.windows(part.len()).position(|window| window == part);
            at.map_or(0, |at| at + part.len())
        };
        let line = after(b"\r\n");
        let head = after(b"\r\n\r\n");
        let half = bytes.len() / 2;
        let mut splits = vec![1, line, head, half, bytes.len() - 1];
        splits.extend([line, head].map(|end| end.saturating_sub(1)));
        splits.retain(|split| (1..bytes.len()).contains(split));
        splits.sort_unstable();
        splits.dedup();
        splits
    }
}

impl Id {
    /// Replaces the id in the outcome of a request.
    pub(crate) fn found_in(text: &str) -> Option<Self> {
        let (_, after) = text.split_once(MARK)?;
        Some(Self(after.get(..DIGITS)?.parse().ok()?))
    }

    /// Returns the text with the placeholder, so that two exchanges can be compared.
    pub(crate) fn hidden_in(self, text: &str) -> String {
        text.replace(&self.to_string(), PLACE)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{MARK}{:0DIGITS$}", self.0)
    }
}

/// Returns a head and what follows it.
fn message(line: &str, fields: &[&str], rest: &str) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{line}\r\n{fields}\r\n{rest}")
}

/// Returns a GET with Host and these fields.
fn get(fields: &[&str]) -> String {
    message("GET /{id} HTTP/1.1", &[&["host: x"], fields].concat(), "")
}

/// Returns a POST with Host and these fields, and what follows the head.
fn post(fields: &[&str], rest: &str) -> String {
    message(
        "POST /{id} HTTP/1.1",
        &[&["host: x"], fields].concat(),
        rest,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_unique_names_and_ids() {
        let all = all();
        let mut names: Vec<_> = all.iter().map(|request| request.name).collect();
        names.sort_unstable();
        names.dedup();

        assert_eq!(names.len(), all.len());
        for request in all {
            let text = String::from_utf8_lossy(&request.bytes(Id(7))).into_owned();
            assert_eq!(Id::found_in(&text), Some(Id(7)), "{}", request.name);
        }
    }

    #[test]
    fn request_is_split_at_unusual_places() {
        let request = Request::new("", "GET /{id} HTTP/1.1\r\na: b\r\n\r\n");

        assert_eq!(request.splits(Id(1)), [1, 16, 24, 25, 32]);
    }

    #[test]
    fn received_requests_are_compared_without_variable_parts() {
        assert_eq!(Id(12).to_string(), "id-000012");
        assert_eq!(Id(12).hidden_in("GET /id-000012"), "GET /{id}");
    }
}
