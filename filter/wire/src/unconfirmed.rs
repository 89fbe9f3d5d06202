//! How many bytes a client may not have read, where no frame of the protocol tells.

/// Counts the bytes written to a client that nothing shows it has read.
///
/// A client that speaks after it was written to has usually read that; but one that sends its next request
/// without waiting has not. So when it speaks, only what was written before it spoke the time before is taken
/// for read.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed {
    /// Written before the client last spoke, and after it spoke the time before.
    before: u64,
    /// Written since the client last spoke.
    since: u64,
}

impl Unconfirmed {
    /// The client has sent something.
    pub(crate) fn heard(&mut self) {
        if self.since > 0 {
            self.before = core::mem::take(&mut self.since);
        }
    }

    /// So many bytes are written to the client.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.since = self.since.saturating_add(bytes);
    }

    /// So many of the bytes of the write in hand are taken out of it again.
    pub(crate) fn discarded(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.since = self.since.saturating_sub(bytes);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.before.saturating_add(self.since)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn two_turns_are_unconfirmed() {
        let mut unconfirmed = Unconfirmed::default();
        for written in [100, 20, 3] {
            unconfirmed.heard();
            unconfirmed.heard();
            unconfirmed.wrote(written);
        }
        assert_eq!(unconfirmed.bytes(), 23);
    }

    #[test]
    fn discarded_bytes_were_never_written() {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.wrote(5);
        unconfirmed.wrote(7);
        unconfirmed.discarded(7);
        assert_eq!(unconfirmed.bytes(), 5);
    }
}
