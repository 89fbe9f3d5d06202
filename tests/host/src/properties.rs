//! Properties: paths such as `connection.id`, and their bytes.

use std::collections::BTreeMap;

/// The properties that a test or the module set: the bytes, or None if the path is absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    values: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Properties {
    /// Sets the property at `path`, for example `["upstream", "address"]`.
    pub(crate) fn set(&mut self, path: &[&str], value: impl AsRef<[u8]>) {
        self.set_raw(join(path), Some(value.as_ref().to_vec()));
    }

    pub(crate) fn set_raw(&mut self, path: Vec<u8>, value: Option<Vec<u8>>) {
        self.values.insert(path, value);
    }

    /// Returns `None` if the path was not set.
    pub(crate) fn get(&self, path: &[u8]) -> Option<Option<Vec<u8>>> {
        self.values.get(path).cloned()
    }
}

/// Joins a path by NUL, as in the ABI.
pub(crate) fn join(path: &[&str]) -> Vec<u8> {
    path.join("\0").into_bytes()
}

/// Joins a path by dots.
pub(crate) fn dotted(path: &[u8]) -> String {
    String::from_utf8_lossy(path.strip_suffix(b"\0").unwrap_or(path)).replace('\0', ".")
}
