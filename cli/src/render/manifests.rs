//! The committed manifests in `istio/`: bases of kustomize, each rendered by one command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// A URL that operators replace with their own.
const MODULE: &str = "oci://registry.example/evenkeel:0.1.0";

/// The directory, the policy and the selection of each base.
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

/// Renders the files from the policies of the repository at `root`.
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
