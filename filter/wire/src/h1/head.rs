//! The head of a message: a start line and a field section (RFC 9112 2.1).
use super::MAX_HEAD;
use super::fields::FieldSection;
use super::framing::FramingFields;
use super::start_line::StartLine;
use super::text::consumed;
use crate::BypassReason;

/// The head of a message, as far as it has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageHead<L> {
    pub(super) line: L,
    fields: FieldSection,
    length: usize,
}

impl<L: StartLine> MessageHead<L> {
    /// Scans `bytes`. Returns how many of them belong to the head once its empty line has arrived.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, BypassReason> {
        let mut tail = None;
        if let Some(fields) = self.line.scan(self.fields.word(), bytes)? {
            tail = self.fields.scan(fields)?;
        }
        let end = tail.map(|tail| consumed(bytes, tail));
        self.length = self.length.saturating_add(end.unwrap_or(bytes.len()));
        if self.length > MAX_HEAD {
            return Err(BypassReason::HeadTooLong);
        }
        Ok(end)
    }

    /// The field section to scan the trailers with, which follow the body (RFC 9112 7.1.2).
    pub(super) fn fields(&mut self) -> &mut FieldSection {
        &mut self.fields
    }

    /// No byte of it has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn framing(&self) -> &FramingFields {
        self.fields.framing()
    }

    /// Converts an offset in the field section to an offset in the write in which the head ended at `end`; None
    /// if that byte was in an earlier write.
    pub(super) fn offset_in_write(&self, at: u32, end: usize) -> Option<usize> {
        let distance = self.fields.len().checked_sub(at)?;
        end.checked_sub(usize::try_from(distance).ok()?)
    }
}
