//! The map that all workers share, with compare-and-swap.

use crate::abi::Status;
use std::collections::BTreeMap;

/// The map of a vm_id, as in proxy-wasm-cpp-host's `src/shared_data.cc`.
pub(crate) struct SharedData {
    values: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    next_cas: u32,
}

impl SharedData {
    pub(crate) fn new() -> Self {
        // 0 writes without comparison, so it is never a version.
        Self {
            values: BTreeMap::new(),
            next_cas: 1,
        }
    }

    /// Returns the value and its version.
    pub(crate) fn get(&self, key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
        self.values.get(key).cloned().ok_or(Status::NotFound)
    }

    /// Writes a value. A missing key accepts any version.
    pub(crate) fn set(&mut self, key: Vec<u8>, value: Vec<u8>, cas: u32) -> Result<(), Status> {
        if let Some((_, version)) = self.values.get(&key)
            && cas != 0
            && cas != *version
        {
            return Err(Status::CasMismatch);
        }
        let version = self.next_cas;
        self.next_cas = self.next_cas.checked_add(1).unwrap_or(1);
        self.values.insert(key, (value, version));
        Ok(())
    }
}
