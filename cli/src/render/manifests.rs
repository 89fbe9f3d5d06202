//! What `istio/` in the repository holds: bases of kustomize, each rendered by one command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// A place of no registry, for operators to replace by theirs.
const MODULE: &str = "oci://registry.example/evenkeel:0.1.0";

/// Each with its directory, its policy, and whom it is for.
const BASES: [(&str, &str, &[&str]); 2] = [
    (
        "istio/workload",
        "policies/http-api.json",
        &["--workload", "evenkeel=enabled"],
    ),
    (
        "istio/gateway",
        "policies/gateway.json",
        &["--gateway", "istio=ingressgateway"],
    ),
];

/// The files with their texts, rendered from the policies under `root`, the repository's.
///
/// # Errors
/// When a policy cannot be read or is invalid.
pub fn manifests(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut manifests = Vec::new();
    for (directory, policy, selection) in BASES {
        let mut line: Vec<OsString> = vec!["istio".into(), root.join(policy).into()];
        line.extend(["--module", MODULE].map(OsString::from));
        line.extend(selection.iter().map(OsString::from));
        let files = super::parse(line)?.files()?;
        let directory = Path::new(directory);
        manifests.extend(
            files
                .into_iter()
                .map(|(name, text)| (directory.join(name), text)),
        );
    }
    Ok(manifests)
}
