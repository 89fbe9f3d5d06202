//! The location of the module.

use std::path::PathBuf;

use anyhow::Result;

use super::names;
use crate::cli::usage;

/// The URL of a module: `oci://`, `https://` or `http://`.
#[derive(Clone, Debug, PartialEq)]
pub struct Url {
    pub text: String,
    pub is_image: bool,
    /// The digest in the URL itself.
    digest: Option<String>,
}

/// Parses a URL.
pub fn parse(text: &str) -> Result<Url, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!(
            "the scheme is missing: write oci://{text} or https://{text}"
        ));
    };
    let is_image = match scheme {
        "oci" => true,
        "http" | "https" => false,
        "file" => {
            return Err(
                "with file:// Istio 1.31 gives each of the two filters a VM of its own, so they \
                        cannot work together; serve the module by oci://, https:// or http://"
                    .to_owned(),
            );
        }
        _ => {
            return Err(format!(
                "{scheme}:// is not supported; allowed are oci://, https:// and http://"
            ));
        }
    };
    let is_bare = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() || path.is_empty() || !rest.chars().all(is_bare) {
        return Err(
            "expected a host and a path, such as oci://registry.example/evenkeel:0.1.0".to_owned(),
        );
    }
    let digest = match path.split_once("@sha256:") {
        Some((_, digest)) if is_image => Some(names::sha256(digest)?),
        _ => None,
    };
    Ok(Url {
        text: text.to_owned(),
        is_image,
        digest,
    })
}

/// The module to load.
#[derive(clap::Args)]
pub struct ModuleArgs {
    /// The URL of the module: oci://, https:// or http://
    #[arg(long, value_name = "URL", value_parser = parse)]
    module: Url,
    /// The expected digest: of an image's manifest, or of the file
    #[arg(long, value_name = "HEX", value_parser = names::sha256)]
    sha256: Option<String>,
    /// The file that https:// or http:// serves, to compute its digest
    #[arg(long, value_name = "FILE", conflicts_with = "sha256")]
    wasm: Option<PathBuf>,
}

/// A module and its expected digest.
pub struct Module<'a> {
    pub url: &'a Url,
    pub sha256: Option<String>,
}

impl ModuleArgs {
    /// Returns the module with its expected digest, from an option or from the URL.
    ///
    /// # Errors
    /// When the options contradict each other, or the file cannot be read.
    pub fn resolve(&self) -> Result<Module<'_>> {
        let url = &self.module;
        if let (Some(stated), Some(own)) = (&self.sha256, &url.digest)
            && stated != own
        {
            return Err(usage(format!(
                "--sha256 {stated} differs from the digest in {}",
                url.text
            )));
        }
        let sha256 = match &self.wasm {
            Some(_) if url.is_image => {
                return Err(usage(format!(
                    "--wasm is for https:// and http://: of {} the digest of the image's \
                     manifest is checked, not of the file in it; state it with --sha256 (`crane digest` prints it)",
                    url.text
                )));
            }
            Some(path) => Some(names::digest(path)?),
            None => self.sha256.clone().or_else(|| url.digest.clone()),
        };
        Ok(Module { url, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_is_fetched_from_a_registry_or_a_server() {
        let digest = "0a".repeat(32);
        let image = parse(&format!(
            "oci://registry.example:5000/a/evenkeel@sha256:{digest}"
        ))
        .expect("a url");
        assert!(image.is_image);
        assert_eq!(image.digest, Some(digest));
        assert!(
            !parse("https://files.example/evenkeel.wasm?v=1")
                .expect("a url")
                .is_image
        );
        for wrong in [
            "evenkeel.wasm",
            "registry.example/evenkeel:1",
            "file:///evenkeel.wasm",
            "ftp://a/b",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "oci://",
            "oci://registry.example",
            "https:///a",
            "https://a/b c",
            "oci://a/b@sha256:0",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
