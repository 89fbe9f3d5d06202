//! The policies and configurations in pages are valid: policies are parsed by the policy crate.

#[path = "support/pages.rs"]
mod pages;

use std::fs;
use std::path::Path;

use evenkeel_policy::Policy;
use pages::{pages, root};
use serde_json::Value;

/// A block of code in a page.
struct Block {
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                let (language, text) = (language.to_owned(), String::new());
                open = Some(Block { language, text });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of code has no end");
    blocks
}

/// Inline code of a page.
fn inline_code(page: &str) -> impl Iterator<Item = &str> {
    let mut is_block = false;
    let prose = page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_block ^= is_fence;
        !is_block && !is_fence
    });
    prose.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The documents that a line of shell writes with `<<'WORD'`.
fn here_documents(shell: &str) -> Vec<String> {
    let begun = shell.split("<<'").skip(1);
    let document = |begun: &str| {
        let (word, rest) = begun.split_once('\'').unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        let end = format!("\n{word}\n");
        let (document, _) = rest.split_once(&end).unwrap();
        document.to_owned()
    };
    begun.map(document).collect()
}

/// Returns the errors of a policy; None if it is valid.
fn wrong(policy: &str) -> Option<String> {
    Policy::parse(policy.as_bytes())
        .err()
        .map(|errors| errors.to_string())
}

/// Whether the value is a policy: every policy has a version.
fn is_policy(value: &Value) -> bool {
    value["version"].is_number()
}

/// The policies inside a configuration: as the JSON text that Envoy is given, and as Istio's `pluginConfig`.
fn policies_in(value: &Value, found: &mut Vec<String>) {
    match value {
        // Text with a version is a policy, and must be JSON; other texts begin with a brace, too.
        Value::String(text)
            if text.trim_start().starts_with('{') && text.contains("\"version\"") =>
        {
            found.push(text.clone());
        }
        Value::Array(values) => values.iter().for_each(|value| policies_in(value, found)),
        Value::Object(members) => {
            for (key, value) in members {
                if key == "pluginConfig" {
                    found.push(value.to_string());
                } else {
                    policies_in(value, found);
                }
            }
        }
        _ => {}
    }
}

/// The policies inside the documents of a YAML text.
fn policies_in_yaml(text: &str) -> Result<Vec<String>, serde_saphyr::Error> {
    let mut found = Vec::new();
    for document in serde_saphyr::from_multiple::<Value>(text)? {
        policies_in(&document, &mut found);
    }
    Ok(found)
}

#[test]
fn policies_and_configurations_in_pages_are_valid() {
    let (mut problems, mut policies, mut yamls) = (Vec::new(), 0, 0);
    for (path, page) in pages() {
        let mut shown: Vec<String> = Vec::new();
        for block in blocks(&page) {
            match block.language.as_str() {
                "json" => match serde_json::from_str(&block.text) {
                    Ok(value) if is_policy(&value) => shown.push(block.text),
                    Ok(_) => {}
                    Err(error) => {
                        problems.push(format!("{}: {error}\n{}", path.display(), block.text))
                    }
                },
                "yaml" => match policies_in_yaml(&block.text) {
                    Ok(found) => {
                        yamls += 1;
                        shown.extend(found);
                    }
                    Err(error) => {
                        problems.push(format!("{}: {error}\n{}", path.display(), block.text))
                    }
                },
                "sh" => {
                    let documents = here_documents(&block.text).into_iter();
                    shown.extend(documents.filter(|document| document.starts_with('{')));
                }
                _ => {}
            }
        }
        shown.extend(
            inline_code(&page)
                .filter(|code| code.starts_with("{\"version\""))
                .map(str::to_owned),
        );
        policies += shown.len();
        for policy in shown {
            if let Some(errors) = wrong(&policy) {
                problems.push(format!("{}: {errors}\n{policy}", path.display()));
            }
        }
    }

    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    // At least two policies, one in YAML and one that a command writes.
    assert!(
        policies >= 6 && yamls >= 4,
        "only {policies} policies, {yamls} pieces of YAML"
    );
}

/// The objects of a policy that have keys; `$` marks the position of a key.
const PLACES: [&str; 13] = [
    r#"{"version": 1, $}"#,
    r#"{"version": 1, "defaults": {"drain_timeout": "1s", $}}"#,
    r#"{"version": 1, "routes": [{"name": "a", "match": {"path_prefix": "/"}, "drain_timeout": "1s", $}]}"#,
    r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 1}, $}]}"#,
    r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 1, $}}]}"#,
    r#"{"version": 1, "defaults": {"drain_timeout": "1s", "http2": {$}}}"#,
    r#"{"version": 1, "defaults": {"drain_timeout": "1s", "websocket": {$}}}"#,
    r#"{"version": 1, "defaults": {"grpc": {$}}}"#,
    r#"{"version": 1, "upstream": {"max_requests_per_connection": 1, $}}"#,
    r#"{"version": 1, "rebalance": {$}}"#,
    r#"{"version": 1, "peers": {"cluster": "a", $}}"#,
    r#"{"version": 1, "budget": {"per_second": 1, "burst": 1, $}}"#,
    r#"{"version": 1, "keepalive": {$}}"#,
];

#[test]
fn inline_keys_with_values_are_valid() {
    let mut tried = 0;
    for (path, page) in pages() {
        let pairs =
            inline_code(&page).filter(|code| code.starts_with('"') && code.contains("\": "));
        for pair in pairs {
            tried += 1;
            let fits = |place: &&str| wrong(&place.replace('$', pair)).is_none();
            assert!(PLACES.iter().any(fits), "{}: `{pair}`", path.display());
        }
    }
    assert!(tried > 5, "only {tried} pairs");
}

#[test]
fn policies_in_example_configurations_are_valid() {
    let mut policies = 0;
    for folder in ["envoy", "istio"] {
        for name in fs::read_dir(root().join(folder)).unwrap() {
            let name = name.unwrap().path();
            if name.is_dir() {
                policies += check_folder(&name);
            }
        }
    }
    assert!(policies >= 10, "only {policies} policies");
}

fn check_folder(folder: &Path) -> usize {
    let mut policies = 0;
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let found = policies_in_yaml(&fs::read_to_string(&file).unwrap()).unwrap();
        policies += found.len();
        for policy in found {
            assert_eq!(wrong(&policy), None, "{}", file.display());
        }
    }
    policies
}
