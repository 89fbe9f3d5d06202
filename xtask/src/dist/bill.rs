//! The bill of materials of a released file in CycloneDX: every crate in it, and every crate that
//! is needed only to build it (`excluded`). It has no timestamp and no serial number, so it is reproducible.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result, bail};
use cyclonedx_bom::external_models::normalized_string::NormalizedString;
use cyclonedx_bom::external_models::spdx::SpdxExpression;
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::bom::{Bom, SpecVersion};
use cyclonedx_bom::models::component::{Classification, Component, Components, Scope};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::validation::Validate;
use serde_json::Value;

use super::sums;
use crate::workspace::Workspace;

/// A released file and its package.
pub struct Product<'a> {
    /// The file's name and contents.
    pub name: &'a str,
    pub content: &'a [u8],
    pub kind: Classification,
    /// The package that it is built from, and its target.
    pub package: &'a str,
    pub target: &'a str,
}

/// A crate: its name and version.
type Crate = (String, String);

/// Returns the bill as JSON.
///
/// # Errors
/// When cargo cannot list the dependencies, or the bill violates its specification.
pub fn of(product: &Product, workspace: &Workspace) -> Result<Vec<u8>> {
    let all = tree(product, workspace, "normal,build")?;
    let inside = tree(product, workspace, "normal,no-proc-macro")?;
    let metadata = metadata(product, workspace)?;
    let lock = std::fs::read_to_string(workspace.root.join("Cargo.lock"))?;
    let checksums = checksums(&lock);
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for name in &all {
        let (package, node) = metadata
            .get(name)
            .with_context(|| format!("cargo metadata knows no {} {}", name.0, name.1))?;
        let scope = if inside.contains(name) {
            Scope::Required
        } else {
            Scope::Excluded
        };
        components.push(component(name, package, scope, checksums.get(name))?);
        dependencies.push(Dependency {
            dependency_ref: purl(name),
            dependencies: needed(node, &all).iter().map(purl).collect(),
        });
    }
    let root = inside
        .iter()
        .find(|(name, _)| name == product.package)
        .with_context(|| format!("{} is not among its own parts", product.package))?;
    let itself = product_component(product, &root.1);
    dependencies.push(Dependency {
        dependency_ref: product.name.to_owned(),
        dependencies: vec![purl(root)],
    });
    let bom = Bom {
        serial_number: None,
        metadata: Some(Metadata {
            component: Some(itself),
            ..Metadata::default()
        }),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies)),
        ..Bom::default()
    };
    let validated = bom.validate_version(SpecVersion::V1_5);
    if validated.has_errors() {
        bail!("the bill of {} is not valid: {validated:?}", product.name);
    }
    let mut json = Vec::new();
    bom.output_as_json(&mut json, SpecVersion::V1_5)?;
    json.push(b'\n');
    Ok(json)
}

/// Returns the package and its dependencies by these kinds of edges.
fn tree(product: &Product, workspace: &Workspace, edges: &str) -> Result<BTreeSet<Crate>> {
    let mut tree = workspace.cargo("tree --locked --prefix none --format {p}");
    tree.args(["--package", product.package, "--target", product.target]);
    tree.args(["--edges", edges]);
    let output = tree.output().context("cannot run cargo tree")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("cargo tree failed: {}", said.trim());
    }
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().filter_map(listed).collect())
}

/// Parses `serde v1.0.1 (proc-macro)` into name and version.
fn listed(line: &str) -> Option<Crate> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    Some((name, words.next()?.strip_prefix('v')?.to_owned()))
}

/// Returns cargo's metadata of each crate: the package and its node in the graph.
fn metadata(product: &Product, workspace: &Workspace) -> Result<HashMap<Crate, (Value, Value)>> {
    let mut metadata = workspace.cargo("metadata --locked --format-version 1");
    metadata.args(["--filter-platform", product.target]);
    let output = metadata.output().context("cannot run cargo metadata")?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut nodes: HashMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (text(&node, "id"), node))
        .collect();
    let packages = list(&metadata["packages"]).into_iter().map(|package| {
        let node = nodes.remove(&text(&package, "id")).unwrap_or_default();
        let name = (text(&package, "name"), text(&package, "version"));
        (name, (package, node))
    });
    Ok(packages.collect())
}

/// Returns the dependencies of a crate that are in the bill.
fn needed(node: &Value, all: &BTreeSet<Crate>) -> BTreeSet<Crate> {
    let ids = node["dependencies"].as_array().into_iter().flatten();
    let crates = ids.filter_map(|id| identified(id.as_str()?));
    crates.filter(|name| all.contains(name)).collect()
}

/// Parses a package id of cargo: `…#name@1.0.0` or `…/name#1.0.0`.
fn identified(id: &str) -> Option<Crate> {
    let (place, fragment) = id.rsplit_once('#')?;
    let (name, version) = match fragment.split_once('@') {
        Some(both) => both,
        None => (place.rsplit_once('/')?.1, fragment),
    };
    Some((name.to_owned(), version.to_owned()))
}

/// Returns the sha256 of each crate's archive from `Cargo.lock`.
fn checksums(lock: &str) -> BTreeMap<Crate, String> {
    let packages = lock.split("[[package]]").filter_map(|block| {
        let field = |key: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
        };
        Some(((field("name")?, field("version")?), field("checksum")?))
    });
    packages.collect()
}

fn component(
    name: &Crate,
    package: &Value,
    scope: Scope,
    checksum: Option<&String>,
) -> Result<Component> {
    let mut component = Component::new(Classification::Library, &name.0, &name.1, Some(purl(name)));
    component.scope = Some(scope);
    component.purl = Some(Purl::new("cargo", &name.0, &name.1)?);
    component.hashes = checksum.map(|sha256| hashes(sha256));
    component.description = package["description"]
        .as_str()
        .map(|text| NormalizedString::new(text.trim()));
    if let Some(license) = package["license"].as_str() {
        let license = SpdxExpression::parse_lax(license.to_owned())
            .with_context(|| format!("the license of {}", name.0))?;
        component.licenses = Some(Licenses(vec![LicenseChoice::Expression(license)]));
    }
    Ok(component)
}

fn product_component(product: &Product, version: &str) -> Component {
    let id = Some(product.name.to_owned());
    let mut component = Component::new(product.kind.clone(), product.name, version, id);
    component.hashes = Some(hashes(&sums::sha256(product.content)));
    component
}

fn hashes(sha256: &str) -> Hashes {
    Hashes(vec![Hash {
        alg: HashAlgorithm::SHA_256,
        content: HashValue(sha256.to_owned()),
    }])
}

fn purl((name, version): &Crate) -> String {
    format!("pkg:cargo/{name}@{version}")
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_is_recognized_however_cargo_names_it() {
        let log = Some(("log".to_owned(), "0.4.35".to_owned()));
        assert_eq!(listed("log v0.4.35"), log);
        assert_eq!(listed("log v0.4.35 (proc-macro) (*)"), log);
        assert_eq!(
            identified("registry+https://a.example/index#log@0.4.35"),
            log
        );
        assert_eq!(identified("path+file:///src/log#0.4.35"), log);
        assert_eq!(listed(""), None);
    }

    #[test]
    fn checksums_match_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"log\"\nversion = \"0.4.35\"\nchecksum = \"ff\"\n\n\
                    [[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let log = ("log".to_owned(), "0.4.35".to_owned());
        assert_eq!(checksums(lock), BTreeMap::from([(log, "ff".to_owned())]));
    }
}
