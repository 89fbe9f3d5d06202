//! The numbers in front of arguments and replies.

use crate::tcp::BypassReason;

/// A decimal number that ends with CR and LF.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Decimal {
    value: u64,
    digits: u8,
    is_negative: bool,
    has_cr: bool,
}

impl Decimal {
    /// Takes the next byte. Returns the number with the last one; None inside for a negative number.
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<Option<u64>>, BypassReason> {
        match byte {
            b'0'..=b'9' if self.digits < 18 && !self.has_cr => {
                // 18 digits fit.
                let digit = u64::from(byte & 0x0f);
                self.value = self.value.wrapping_mul(10).wrapping_add(digit);
                self.digits = self.digits.saturating_add(1);
            }
            b'-' if self.digits == 0 && !self.is_negative => self.is_negative = true,
            b'\r' if self.digits > 0 && !self.has_cr => self.has_cr = true,
            b'\n' if self.has_cr => return Ok(Some((!self.is_negative).then_some(self.value))),
            _ => return Err(BypassReason::Malformed),
        }
        Ok(None)
    }
}
