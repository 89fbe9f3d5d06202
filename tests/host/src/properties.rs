//! Properties: paths such as `connection.id`, and the bytes they have.

use std::collections::BTreeMap;

/// What a test said about some paths: the bytes, or that the path is absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    said: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Properties {
    pub(crate) fn set(&mut self, path: Vec<u8>, value: Option<Vec<u8>>) {
        self.said.insert(path, value);
    }

    /// `None` when the test said nothing of the path.
    pub(crate) fn get(&self, path: &[u8]) -> Option<Option<Vec<u8>>> {
        self.said.get(path).cloned()
    }
}

/// A path as the ABI writes it: its parts joined by NUL.
pub(crate) fn join(path: &[&str]) -> Vec<u8> {
    path.join("\0").into_bytes()
}

/// A path as people write it.
pub(crate) fn dotted(path: &[u8]) -> String {
    String::from_utf8_lossy(path.strip_suffix(b"\0").unwrap_or(path)).replace('\0', ".")
}
