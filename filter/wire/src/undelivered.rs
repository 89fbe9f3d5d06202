//! How many bytes a client may not have read, where no frame of the protocol acknowledges them.

/// Counts the bytes written to a client that nothing shows it has read.
///
/// A client that sends something after a write has usually read that write, but not if it pipelines its
/// requests. So when the client sends something, only what was written before its previous bytes counts as
/// read. The sums wrap, which is cheaper than saturating: no connection carries 2^64 bytes.
#[derive(Debug, Default)]
pub(crate) struct UndeliveredBytes {
    /// Written between the client's last bytes and those before.
    before: u64,
    /// Written since the client's last bytes.
    since: u64,
}

impl UndeliveredBytes {
    /// Records that the client sent bytes.
    pub(crate) fn client_sent(&mut self) {
        if self.since > 0 {
            self.before = core::mem::take(&mut self.since);
        }
    }

    /// Records a write of this many bytes.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.since = self.since.wrapping_add(bytes);
    }

    /// Records that this many bytes of the current write are not forwarded.
    pub(crate) fn discard(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.since = self.since.saturating_sub(bytes);
    }

    pub(crate) fn total(&self) -> u64 {
        self.before.wrapping_add(self.since)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn last_two_turns_are_undelivered() {
        let mut undelivered = UndeliveredBytes::default();
        for written in [100, 20, 3] {
            undelivered.client_sent();
            undelivered.client_sent();
            undelivered.wrote(written);
        }
        assert_eq!(undelivered.total(), 23);
    }

    #[test]
    fn discarded_bytes_are_not_undelivered() {
        let mut undelivered = UndeliveredBytes::default();
        undelivered.wrote(5);
        undelivered.wrote(7);
        undelivered.discard(7);
        assert_eq!(undelivered.total(), 5);
    }
}
