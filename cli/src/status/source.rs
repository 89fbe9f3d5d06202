//! The source of a proxy's metrics.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The path of the metrics in Envoy and istio-proxy.
const PAGE: &str = "/stats/prometheus";

/// The maximum time of a request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum size of the metrics: a sidecar in a large mesh has tens of MiB.
const MAX_BYTES: u64 = 256 << 20;

/// A source of metrics.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// `-`
    Stdin,
    File(PathBuf),
    Url(String),
}

impl Source {
    /// Parses an argument of the command line.
    ///
    /// # Errors
    /// When the argument is neither a URL nor an existing file.
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

    /// Reads the metrics.
    ///
    /// # Errors
    /// When the source cannot be read, with a hint.
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

/// Completes a URL without `http://`: an address without a path means the metrics.
fn page_of(rest: &str) -> String {
    match rest.split_once('/') {
        None | Some((_, "")) => format!("http://{}{PAGE}", rest.trim_end_matches('/')),
        Some(_) => format!("http://{rest}"),
    }
}

fn get(url: &str) -> Result<String> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        // Loopback and pods are not behind the proxy of the environment.
        .proxy(None)
        .build();
    let response = ureq::Agent::new_with_config(config).get(url).call();
    let mut response = match response {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(status)) => bail!(
            "{url} responds with {status}: is it Envoy's admin interface (15000 in istio-proxy), or its metrics (15090, 15020)?"
        ),
        Err(error) => bail!(
            "cannot read {url}: {error}. Is the proxy running, and its port forwarded? Admin interfaces listen on loopback only"
        ),
    };
    let body = response.body_mut().with_config().limit(MAX_BYTES);
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
