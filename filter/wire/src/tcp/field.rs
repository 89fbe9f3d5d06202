//! Reads the fields of a payload that arrives in pieces.

/// A field of a payload. Numbers are in network byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A number of so many bytes, at most 8.
    Number(u8),
    /// A text that is skipped, after its length of so many bytes.
    Text(u8),
}

/// How many numbers are kept.
const NUMBERS: usize = 3;

/// Reads fields in the order of a list, keeps the numbers and skips the texts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    list: &'static [Field],
    /// Of the number, or of the text's length: how many bytes were read, and their value.
    read: u8,
    value: u64,
    /// Of the text: how many bytes are to be skipped.
    skip: u64,
    numbers: [u64; NUMBERS],
    count: usize,
}

impl Fields {
    pub(super) const fn new(list: &'static [Field]) -> Self {
        Self {
            list,
            read: 0,
            value: 0,
            skip: 0,
            numbers: [0; NUMBERS],
            count: 0,
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = bytes
                .len()
                .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.skip = self
                .skip
                .saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
            let (Some((byte, rest)), Some(field)) = (bytes.split_first(), self.list.first()) else {
                return;
            };
            bytes = rest;
            self.value = (self.value << 8) | u64::from(*byte);
            self.read = self.read.saturating_add(1);
            let (Field::Number(size) | Field::Text(size)) = *field;
            if self.read >= size {
                self.complete(*field);
            }
        }
    }

    fn complete(&mut self, field: Field) {
        match field {
            Field::Number(_) => {
                if let Some(number) = self.numbers.get_mut(self.count) {
                    *number = self.value;
                }
                self.count = self.count.saturating_add(1);
            }
            Field::Text(_) => self.skip = self.value,
        }
        (self.read, self.value) = (0, 0);
        self.list = self.list.get(1..).unwrap_or_default();
    }

    /// The last number, if all fields were read.
    pub(super) fn last_number(&self) -> Option<u64> {
        let index = self.count.checked_sub(1)?;
        self.numbers()?.get(index).copied()
    }

    /// The numbers, if all fields were read.
    pub(super) fn numbers(&self) -> Option<[u64; NUMBERS]> {
        (self.list.is_empty() && self.skip == 0).then_some(self.numbers)
    }
}
