//! The head of a message: a start line and a field section (RFC 9112 2.1).
use super::MAX_HEAD;
use super::fields::FieldSection;
use super::framing::FramingFields;
use super::start_line::StartLine;
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
        let room = MAX_HEAD.saturating_sub(self.length);
        let allowed = bytes.get(..room).unwrap_or(bytes);
        let end = match self.line.scan(allowed)? {
            None => None,
            Some(line) => {
                let fields = allowed.get(line..).unwrap_or_default();
                self.fields
                    .scan(fields)?
                    .map(|fields| line.saturating_add(fields))
            }
        };
        if end.is_none() && bytes.len() > room {
            return Err(BypassReason::HeadTooLong);
        }
        self.length = self.length.saturating_add(allowed.len());
        Ok(end)
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
