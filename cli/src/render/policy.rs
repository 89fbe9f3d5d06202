//! The policy to render: read, checked, and kept as it was written.

use std::path::Path;

use anyhow::Result;
use evenkeel_policy::{Policy, Role};
use indexmap::IndexMap;
use serde_json::Value;

use super::document::Document;
use crate::diagnose;

/// A good policy.
pub struct Written {
    pub policy: Policy,
    members: IndexMap<String, Document>,
}

impl Written {
    /// Reads a file.
    ///
    /// # Errors
    /// A usage error when there is none; when it is no policy, each mistake as `evenkeel check` shows it.
    pub fn read(path: &Path) -> Result<Self> {
        let (source, policy) = diagnose::read(path)?;
        let members = serde_json::from_slice(source.json())?;
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
