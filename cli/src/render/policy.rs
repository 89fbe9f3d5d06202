//! The policy to render.

use std::path::Path;

use anyhow::Result;
use evenkeel_policy::{Policy, Role};
use indexmap::IndexMap;
use serde_json::Value;

use super::document::Document;
use crate::diagnose;

/// A valid policy with the keys of its file in their order.
pub struct SourcePolicy {
    pub policy: Policy,
    members: IndexMap<String, Document>,
}

impl SourcePolicy {
    /// Reads a file.
    ///
    /// # Errors
    /// A usage error when the file cannot be read; if the policy is invalid, all findings as `evenkeel check` shows them.
    pub fn read(path: &Path) -> Result<Self> {
        let (source, policy) = diagnose::read(path)?;
        let members = serde_json::from_slice(source.json())?;
        Ok(Self { policy, members })
    }

    /// Returns the policy for a filter of this role, without `$schema`, which is for editors.
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
