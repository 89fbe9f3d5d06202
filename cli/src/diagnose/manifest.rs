//! Finds the policies in Kubernetes manifests and Envoy configurations, in YAML or JSON. A file can also be a policy itself.

mod envoy;
mod filter;
mod kubernetes;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use evenkeel_policy::{Cause, Place, Policy};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::mistakes::is_yaml;
use super::tree::{self, Node, Origin, SyntaxError};
use super::{File, Finding, Severity, Source};
use filter::Filter;

/// Finds every policy in a file, in file order. Returns at least one source, whose finding may say that there is no policy.
pub fn sources(file: &Rc<File>) -> Vec<Source> {
    if is_json_schema(file) {
        let message = "the file is a JSON schema, not a policy; it is skipped".to_owned();
        let finding = Finding::new(Severity::Note, "json-schema", message, Place::default());
        return vec![Source::without_policy(file, finding)];
    }
    let Some(documents) = documents(file) else {
        return vec![Source::policy_file(Rc::clone(file))];
    };
    let mut search = Search::new(file);
    for document in &documents {
        match document {
            Ok(document) => search.document(document),
            Err(error) => search.wrong(error),
        }
    }
    if search.sources.is_empty() {
        search.nothing_found();
    }
    search.sources
}

/// Whether the file is a JSON schema of an object, such as that of policies, which is in their folder.
fn is_json_schema(file: &File) -> bool {
    #[derive(Deserialize)]
    struct Schema {
        r#type: String,
        #[serde(rename = "properties")]
        _properties: BTreeMap<String, IgnoredAny>,
    }
    let schema = serde_json::from_slice::<Schema>(file.bytes());
    schema.is_ok_and(|schema| schema.r#type == "object")
}

/// Reads the documents of a file; None if the file is a policy.
fn documents(file: &File) -> Option<Vec<Result<Rc<Node>, SyntaxError>>> {
    let text = file.text();
    if file.not_utf8().is_some() || text.trim().is_empty() {
        return None;
    }
    let is_yaml = is_yaml(file.name(), text);
    if text.trim_start().starts_with(['{', '[']) {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        if is_json || !is_yaml {
            let tree = tree::from_json(text, &Origin::file()).filter(|_| is_json)?;
            return is_container(&tree).then(|| vec![Ok(tree)]);
        }
    } else if !is_yaml {
        return None;
    }
    let documents = tree::from_yaml(text, &Origin::file());
    let is_policy = |document: &Result<Rc<Node>, _>| {
        document
            .as_ref()
            .is_ok_and(|node| is_policy(node) && !is_container(node))
    };
    (!documents.iter().any(is_policy)).then_some(documents)
}

/// The document is a Kubernetes object or an Envoy configuration, or has a wasm filter in it.
fn is_container(node: &Node) -> bool {
    let is_object = node
        .member(&["apiVersion", "metadata", "spec", "items"])
        .is_some();
    (is_object && node.string("kind").is_some())
        || envoy::is_config(node)
        || envoy::has_filter(node)
}

/// The mapping has at least two keys of a policy, or `version` only.
fn is_policy(node: &Node) -> bool {
    let known = known_keys();
    let members = node.members().iter();
    let has = members
        .filter(|member| known.contains(&member.key.as_str()))
        .count();
    has > 1 || (has == 1 && node.members().len() == 1 && node.get("version").is_some())
}

/// The top-level keys of a policy, from the policy crate's error about an unknown key.
fn known_keys() -> Vec<&'static str> {
    let errors = Policy::parse(br#"{"": 0}"#).err();
    let known = errors
        .iter()
        .flat_map(|errors| errors.iter())
        .find_map(
            |error| match (error.cause(), error.place() == &Place::default().key("")) {
                (Cause::UnknownKey { known, .. }, true) => Some(known.clone()),
                _ => None,
            },
        );
    known.unwrap_or_default()
}

/// The result of the search so far.
struct Search<'a> {
    file: &'a Rc<File>,
    sources: Vec<Source>,
    /// Names of objects and filters without a policy.
    others: Vec<String>,
    documents: usize,
}

impl<'a> Search<'a> {
    fn new(file: &'a Rc<File>) -> Self {
        Self {
            file,
            sources: Vec::new(),
            others: Vec::new(),
            documents: 0,
        }
    }

    fn document(&mut self, node: &Rc<Node>) {
        self.documents += 1;
        match node.string("kind") {
            Some(_) => kubernetes::object(self, node),
            None => envoy::config(self, node, &format!("document {}", self.documents)),
        }
    }

    fn wrong(&mut self, error: &SyntaxError) {
        self.documents += 1;
        let message = format!("invalid YAML: {}", error.message);
        let mut finding = Finding::new(Severity::Error, "syntax", message, Place::default())
            .at(Some(self.file.character(error.at)));
        if self.file.text().contains("{{") {
            finding =
                finding.help("render the template first: `helm template . | evenkeel check -`");
        }
        self.sources
            .push(Source::without_policy(self.file, finding));
    }

    /// Adds the policy of a filter if the filter is Evenkeel's.
    fn filter(&mut self, filter: &Filter<'_>) {
        if filter.is_ours() {
            self.sources.push(filter.source(self.file));
        } else {
            self.others.push(filter.name());
        }
    }

    fn nothing_found(&mut self) {
        let message = "the file contains no Evenkeel policy".to_owned();
        let mut finding =
            Finding::new(Severity::Error, "no-policy", message, Place::default()).note(SEARCHED);
        if !self.others.is_empty() {
            let shown: Vec<_> = self.others.iter().take(5).map(String::as_str).collect();
            let more = match self.others.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            finding = finding.note(format!("found {}{more}", shown.join(", ")));
        }
        self.sources
            .push(Source::without_policy(self.file, finding.help(IS_OURS)));
    }
}

const SEARCHED: &str = "searched `pluginConfig` of WasmPlugin and TrafficExtension, `config` of EnvoyExtensionPolicy, and \
                          `configuration` of every Envoy wasm filter, also in EnvoyFilter and ConfigMap";

const IS_OURS: &str = "a filter counts as Evenkeel's if its name, URL or file name contains `evenkeel`, or its configuration has the keys of a \
                       policy";

/// Reads a file and finds the policies in it.
pub fn read(path: &Path) -> anyhow::Result<Vec<Source>> {
    Ok(sources(&Rc::new(File::read(path)?)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::diagnose::{mistakes, render};

    /// Files with policies in them.
    fn manifests() -> Vec<Vec<u8>> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let tests = fs::read_dir(format!("{root}/cli/tests/check/manifests")).unwrap();
        let mut paths: Vec<_> = tests.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end != "txt"));
        paths.push(format!("{root}/envoy/peers/envoy.yaml").into());
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    #[test]
    fn findings_have_valid_positions_for_any_wrong_byte() {
        let wrong = [
            &b""[..],
            b"x",
            b"\xc3\xa9",
            b"\xff",
            b"{",
            b"\"",
            b"\n",
            b"'",
            b"\\",
        ];
        let (mut found, mut policies) = (0, 0);
        for text in manifests() {
            for (at, wrong) in (0..text.len()).zip(wrong.iter().cycle()).step_by(2) {
                let bytes = [&text[..at], wrong, &text[at + 1..]].concat();
                for source in sources(&Rc::new(File::new("a.yaml", bytes))) {
                    let mut findings = source.findings().to_owned();
                    if source.has_policy() {
                        policies += 1;
                        findings.extend(
                            source
                                .policy()
                                .err()
                                .into_iter()
                                .flat_map(|errors| mistakes(&source, &errors)),
                        );
                    }
                    for finding in findings {
                        found += 1;
                        if let Some(span) = &finding.span {
                            assert!(source.text().get(span.clone()).is_some(), "{finding:?}");
                        }
                        let title = format!("error[{}]: ", finding.code);
                        assert!(render(&source, &finding, false).starts_with(&title));
                    }
                }
            }
        }
        assert!(found > 10_000 && policies > 10_000, "{found} in {policies}");
    }
}
