//! The policy to render: read, checked, and kept as it was written.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use evenkeel_policy::{Policy, Role};
use indexmap::IndexMap;
use serde_json::Value;

use super::document::Document;

/// A good policy.
pub struct Source {
    pub policy: Policy,
    members: IndexMap<String, Document>,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// When there is none, or it is no policy: then each mistake in a line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is no policy: each mistake in a line.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let policy =
            Policy::parse(text).map_err(|errors| anyhow!("the policy is refused:\n{errors}"))?;
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let members = serde_json::from_slice(text)?;
        Ok(Self { policy, members })
    }

    /// What a filter entry of this role is given. What is for editors alone stays behind.
    pub fn for_role(&self, role: Role) -> Document {
        let mut members = self.members.clone();
        members.shift_remove("$schema");
        members.shift_remove("role");
        let version = members.get_index_of("version").map_or(0, |at| at + 1);
        let name = Document::Scalar(Value::from(role.name()));
        members.shift_insert(version, "role".to_owned(), name);
        Document::Object(members)
    }
}
