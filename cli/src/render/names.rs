//! Checks the names in a manifest before it is written: Kubernetes and Istio would reject them only later.

use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The maximum length of a resource's name, and of each label in it (RFC 1123).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

fn is_label(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= MAX_LABEL
        && ends(text.chars().next())
        && ends(text.chars().last())
        && text.chars().all(inner)
}

/// Parses the prefix of names: a label of at most 40 characters.
pub fn prefix(text: &str) -> Result<String, String> {
    if is_label(text) && text.len() <= 40 {
        return Ok(text.to_owned());
    }
    Err("must consist of a-z, 0-9 and `-`, begin and end with a-z or 0-9, and have at most 40 characters".to_owned())
}

/// Parses the name of a namespace or a resource that is a DNS label.
pub fn label(text: &str) -> Result<String, String> {
    if is_label(text) {
        return Ok(text.to_owned());
    }
    Err("must consist of a-z, 0-9 and `-`, begin and end with a-z or 0-9, and have at most 63 characters".to_owned())
}

/// Parses the name of a resource: labels with dots between them.
pub fn subdomain(text: &str) -> Result<String, String> {
    if text.len() <= MAX_NAME && text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    Err(
        "must consist of a-z, 0-9, `-` and `.`; each part must begin and end with a-z or 0-9"
            .to_owned(),
    )
}

/// Parses the host of a service, such as `shop.default.svc.cluster.local` or `*.example.com`.
pub fn host(text: &str) -> Result<String, String> {
    match subdomain(text.strip_prefix("*.").unwrap_or(text)) {
        Ok(_) if text.contains('.') => Ok(text.to_owned()),
        Ok(name) => Err(format!(
            "write the full name, such as {name}.default.svc.cluster.local: a short name is relative to the \
             namespace of the resource"
        )),
        Err(_) => Err("expected a DNS name, such as shop.default.svc.cluster.local".to_owned()),
    }
}

/// Parses the labels of pods, `key=value,key=value`, in their order.
pub fn labels(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for pair in text.split(',') {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("{pair:?} is not a label; write key=value, such as app=shop"))?;
        let name = match key.split_once('/') {
            Some((domain, name)) => subdomain(domain).is_ok().then_some(name),
            None => Some(key),
        };
        if !name.is_some_and(is_label_word) {
            return Err(format!(
                "{key:?} is not the key of a label, such as app or example.com/app"
            ));
        }
        if !is_label_word(value) {
            return Err(format!(
                "{value:?} is not the value of a label: 1 to 63 letters, digits, `-`, `_` or `.`, beginning and \
                 ending with a letter or digit"
            ));
        }
        if labels.iter().any(|(known, _)| known == key) {
            return Err(format!("{key} is stated twice"));
        }
        labels.push((key.to_owned(), value.to_owned()));
    }
    Ok(labels)
}

fn is_label_word(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= MAX_LABEL
        && ends(text.chars().next())
        && ends(text.chars().last())
        && text.chars().all(inner)
}

/// Parses a digest in Istio's format.
pub fn sha256(text: &str) -> Result<String, String> {
    let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if text.len() == 64 && text.chars().all(is_hex) {
        return Ok(text.to_owned());
    }
    Err("expected 64 hexadecimal digits, as `sha256sum` prints them".to_owned())
}

/// Returns the digest of a file.
///
/// # Errors
/// When the file cannot be read or is not a wasm module.
pub fn digest(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    anyhow::ensure!(
        bytes.starts_with(b"\0asm"),
        "{} is not a wasm module; `cargo xtask wasm` builds target/evenkeel.wasm",
        path.display()
    );
    let digest = Sha256::digest(&bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        assert!(label("shop-1").is_ok());
        assert!(subdomain("shop.example").is_ok());
        for wrong in [
            "",
            "Shop",
            "-shop",
            "shop-",
            "shöp",
            "sh op",
            &"a".repeat(64),
        ] {
            assert!(label(wrong).is_err(), "{wrong}");
            assert!(subdomain(wrong).is_err(), "{wrong}");
        }
        assert!(prefix(&"a".repeat(40)).is_ok());
        assert!(prefix(&"a".repeat(41)).is_err());
    }

    #[test]
    fn host_is_the_full_service_name() {
        assert!(host("shop.default.svc.cluster.local").is_ok());
        assert!(host("*.example.com").is_ok());
        let short = host("shop").expect_err("a short name");
        assert!(short.contains("shop.default.svc.cluster.local"), "{short}");
        assert!(host("*").is_err());
        assert!(host("a.*.b").is_err());
    }

    #[test]
    fn labels_are_valid_pairs() {
        let labels = labels("app=shop,example.com/tier=1_a");
        let expected = [("app", "shop"), ("example.com/tier", "1_a")];
        assert_eq!(
            labels,
            Ok(expected.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec())
        );
        for wrong in [
            "",
            "app",
            "app=",
            "=shop",
            "app=*",
            "a b=c",
            "app=shop,app=cart",
            "/app=shop",
        ] {
            assert!(super::labels(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn digest_is_64_small_hex_digits() {
        assert!(sha256(&"0a".repeat(32)).is_ok());
        for wrong in [
            "",
            "0a",
            &"0A".repeat(32),
            &format!("sha256:{}", "0a".repeat(32)),
        ] {
            assert!(sha256(wrong).is_err(), "{wrong}");
        }
    }
}
