//! Finds the policies in the files that people have: manifests of Kubernetes and configurations of Envoy, in YAML or
//! JSON, beside files that are a policy and nothing else.

mod envoy;
mod filter;
mod kubernetes;

use std::path::Path;
use std::rc::Rc;

use evenkeel_policy::{Cause, Place, Policy};
use serde::de::IgnoredAny;

use super::mistakes::is_yaml;
use super::tree::{self, Node, Origin, SyntaxError};
use super::{File, Finding, Severity, Source};
use filter::Filter;

/// Every policy in a file, in the order of the text; at least one source, which may tell that there is none.
pub fn sources(file: &Rc<File>) -> Vec<Source> {
    let Some(documents) = documents(file) else {
        return vec![Source::whole(Rc::clone(file))];
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

/// The documents of a file; None where it is to be read as a policy.
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

/// It is an object of Kubernetes, a configuration of Envoy, or has one in it.
fn is_container(node: &Node) -> bool {
    let is_object = node
        .member(&["apiVersion", "metadata", "spec", "items"])
        .is_some();
    (is_object && node.string("kind").is_some())
        || envoy::is_config(node)
        || envoy::has_filter(node)
}

/// It has the keys of a policy: two of them, or the version alone.
fn is_policy(node: &Node) -> bool {
    let known = known_keys();
    let members = node.members().iter();
    let has = members
        .filter(|member| known.contains(&member.key.as_str()))
        .count();
    has > 1 || (has == 1 && node.members().len() == 1 && node.get("version").is_some())
}

/// The keys that a policy may have, by the policy crate's own error.
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

/// What has been found so far.
struct Search<'a> {
    file: &'a Rc<File>,
    sources: Vec<Source>,
    /// Names of objects and filters that have no policy.
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
        let message = format!("no YAML: {}", error.message);
        let mut finding = Finding::new(Severity::Error, "syntax", message, Place::default())
            .at(Some(self.file.character(error.at)));
        if self.file.text().contains("{{") {
            finding = finding.help(
                "a template is checked once it is rendered: `helm template . | evenkeel check -`",
            );
        }
        self.sources
            .push(Source::without_policy(self.file, finding));
    }

    /// Takes the policy of a filter, if the filter is Evenkeel's.
    fn filter(&mut self, filter: &Filter<'_>) {
        if filter.is_ours() {
            self.sources.push(filter.source(self.file));
        } else {
            self.others.push(filter.name());
        }
    }

    fn nothing_found(&mut self) {
        let message = "no policy of Evenkeel in this file".to_owned();
        let mut finding =
            Finding::new(Severity::Error, "no-policy", message, Place::default()).note(LOOKED_FOR);
        if !self.others.is_empty() {
            let shown: Vec<_> = self.others.iter().take(5).map(String::as_str).collect();
            let more = match self.others.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            finding = finding.note(format!("there are {}{more}", shown.join(", ")));
        }
        self.sources
            .push(Source::without_policy(self.file, finding.help(IS_OURS)));
    }
}

const LOOKED_FOR: &str = "looked for `pluginConfig` of WasmPlugin and TrafficExtension, `config` of EnvoyExtensionPolicy, and \
                          `configuration` of Envoy's wasm filters, in EnvoyFilter and anywhere else";

const IS_OURS: &str = "a filter is taken for Evenkeel's by `evenkeel` in its name, url or file, or by the keys of a policy";

/// A file, as an operator names it.
pub fn read(path: &Path) -> anyhow::Result<Vec<Source>> {
    Ok(sources(&Rc::new(File::read(path)?)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::diagnose::{mistakes, render};

    /// Files that have policies in them.
    fn manifests() -> Vec<Vec<u8>> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let tests = fs::read_dir(format!("{root}/cli/tests/check/manifests")).unwrap();
        let mut paths: Vec<_> = tests.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end != "txt"));
        paths.push(format!("{root}/envoy/peers/envoy.yaml").into());
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    #[test]
    fn whatever_byte_is_wrong_every_finding_has_its_place() {
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
