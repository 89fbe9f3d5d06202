//! The clients: a further one is a line here and a program in its language's folder.

use anyhow::{Result, bail};
use evenkeel_test_envoy::Protocol;

use crate::language::Language;

/// One client over one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it is called on the command line and in tables: its library and its protocol.
    pub name: &'static str,
    /// What its program is written in.
    pub language: Language,
    /// The program, as [`Language::program`] knows it.
    pub program: &'static str,
    /// The HTTP version that it speaks. HTTP/2 is with prior knowledge (RFC 9113, section 3.3).
    pub protocol: Protocol,
}

impl Client {
    /// Every client, in the order in which they run.
    pub const ALL: [Self; 6] = [
        Self::new(
            "httpx-h1",
            Language::Python,
            "httpx_client",
            Protocol::Http1,
        ),
        Self::new(
            "httpx-h2",
            Language::Python,
            "httpx_client",
            Protocol::Http2,
        ),
        Self::new("curl-h1", Language::Python, "curl_client", Protocol::Http1),
        Self::new("curl-h2", Language::Python, "curl_client", Protocol::Http2),
        Self::new("go-h1", Language::Go, "nethttp", Protocol::Http1),
        Self::new("go-h2", Language::Go, "nethttp", Protocol::Http2),
    ];

    const fn new(
        name: &'static str,
        language: Language,
        program: &'static str,
        protocol: Protocol,
    ) -> Self {
        Self {
            name,
            language,
            program,
            protocol,
        }
    }

    /// The clients of these names; `httpx` is short for `httpx-h1` and `httpx-h2`. No name means all.
    ///
    /// # Errors
    /// When there is no such client; says which there are.
    pub fn named(names: &[String]) -> Result<Vec<Self>> {
        let is = |client: &Self, name: &str| {
            client
                .name
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        for name in names {
            if !Self::ALL.iter().any(|client| is(client, name)) {
                let known = Self::ALL.map(|client| client.name).join(", ");
                bail!("no client {name}; there are {known}");
            }
        }
        let wanted = |client: &Self| names.is_empty() || names.iter().any(|name| is(client, name));
        Ok(Self::ALL.into_iter().filter(wanted).collect())
    }

    /// The protocol as the contract and the tables spell it.
    pub fn protocol_name(self) -> &'static str {
        match self.protocol {
            Protocol::Http1 => "h1",
            Protocol::Http2 => "h2",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Result<Vec<&'static str>> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        Ok(Client::named(&names)?
            .iter()
            .map(|client| client.name)
            .collect())
    }

    #[test]
    fn a_library_names_all_of_its_protocols() {
        assert_eq!(
            named(&["httpx", "go-h2"]).unwrap(),
            ["httpx-h1", "httpx-h2", "go-h2"]
        );
        assert_eq!(named(&[]).unwrap().len(), Client::ALL.len());
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let error = named(&["httpx-h"]).unwrap_err().to_string();

        assert!(error.contains("no client httpx-h;"), "{error}");
        assert!(error.contains("curl-h2"), "{error}");
    }
}
