//! Where the numbers of a proxy come from.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Where Envoy and istio-proxy alike show their numbers.
const PAGE: &str = "/stats/prometheus";

/// A proxy that takes longer is not one to wait for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A big mesh's sidecar shows some tens of MiB.
const LONGEST: u64 = 256 << 20;

/// One proxy's numbers.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// `-`
    Stdin,
    File(PathBuf),
    Url(String),
}

impl Source {
    /// What the command line names.
    ///
    /// # Errors
    /// When it is neither a URL nor a file that is there.
    pub fn of(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if text.starts_with("https://") {
            bail!("{text}: Envoy serves its metrics over http://, without TLS");
        }
        if let Some(rest) = text.strip_prefix("http://") {
            return Ok(Self::Url(page_of(rest)));
        }
        if Path::new(text).exists() {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let is_address = |text: &str| {
            let authority = text.split('/').next().unwrap_or_default();
            let port = authority.rsplit_once(':').map(|(_, port)| port);
            port.is_some_and(|port| port.parse::<u16>().is_ok())
        };
        if is_address(text) {
            return Ok(Self::Url(page_of(text)));
        }
        bail!("{text}: no such file; an address is, for example, http://127.0.0.1:15000")
    }

    /// The text of it.
    ///
    /// # Errors
    /// When it cannot be read, with a hint.
    pub fn read(&self) -> Result<String> {
        match self {
            Self::Stdin => {
                let mut text = String::new();
                io::stdin()
                    .read_to_string(&mut text)
                    .context("cannot read standard input")?;
                Ok(text)
            }
            Self::File(path) => {
                fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
            }
            Self::Url(url) => get(url),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => formatter.write_str("standard input"),
            Self::File(path) => path.display().fmt(formatter),
            Self::Url(url) => {
                let short = url.strip_prefix("http://").unwrap_or(url);
                formatter.write_str(short.strip_suffix(PAGE).unwrap_or(short))
            }
        }
    }
}

/// The page of what is given without `http://`: an address alone means the page with the numbers.
fn page_of(rest: &str) -> String {
    match rest.split_once('/') {
        None | Some((_, "")) => format!("http://{}{PAGE}", rest.trim_end_matches('/')),
        Some(_) => format!("http://{rest}"),
    }
}

fn get(url: &str) -> Result<String> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        // Loopback and pods are not behind a proxy that the environment names.
        .proxy(None)
        .build();
    let answer = ureq::Agent::new_with_config(config).get(url).call();
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(ureq::Error::StatusCode(status)) => bail!(
            "{url} responds with {status}: is it Envoy's admin interface (15000 in istio-proxy), or its metrics (15090, 15020)?"
        ),
        Err(error) => bail!(
            "cannot read {url}: {error}. Is the proxy running, and its port forwarded? Admin interfaces listen on loopback only"
        ),
    };
    let body = answer.body_mut().with_config().limit(LONGEST);
    body.read_to_string()
        .with_context(|| format!("the response of {url} is incomplete"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_address_reads_the_metrics_page() {
        let page = "http://127.0.0.1:15000/stats/prometheus";
        for text in [
            "http://127.0.0.1:15000",
            "http://127.0.0.1:15000/",
            "127.0.0.1:15000",
            page,
        ] {
            assert_eq!(Source::of(text).unwrap(), Source::Url(page.to_owned()));
        }
        let plain = "http://127.0.0.1:15000/stats?filter=evenkeel";
        assert_eq!(Source::of(plain).unwrap(), Source::Url(plain.to_owned()));
        assert_eq!(Source::of(page).unwrap().to_string(), "127.0.0.1:15000");
    }

    #[test]
    fn invalid_sources_are_errors() {
        for text in ["nowhere", "https://127.0.0.1:15000", "pod:http"] {
            assert!(Source::of(text).is_err(), "{text}");
        }
    }
}
