//! The options of `evenkeel explain`.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use clap::error::ErrorKind;

use super::Lookup;
use super::policy::Load;

const EXAMPLES: &str = "\
Examples:
  evenkeel explain policy.json --connections 5000
      The policy in sentences, with the drains per second that it leads to
  evenkeel explain policy.json --request 'GET www.shop.example/api/cart route=checkout-eu'
      The rule that applies to the connection of such a request, and the origin of each value
  evenkeel explain policy.json --request '/orders direction=outbound'
      The same for a request that the application sends through its sidecar
  evenkeel explain policy.json --connection '5432 direction=outbound'
      The rule that applies to raw TCP on that port
  kubectl get wasmplugins -n shop -o yaml | evenkeel explain -
      The policies of a namespace

Files:
  A file is a policy, or contains policies, as for `evenkeel check`. Policies that are equal except for
  `role` are explained once.

Exit codes:
  0  the policy is valid
  1  the policy has an error, which is shown as by `evenkeel check`
  2  the command line is wrong, or the file cannot be read";

/// Describe a policy in sentences, or show which rule applies to a request or connection
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A policy, or a file that contains policies; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// A request: `[METHOD] [HOST]/PATH [route=NAME] [direction=inbound|outbound]`
    #[arg(long, value_name = "REQUEST", conflicts_with_all = ["connections", "requests_per_second"])]
    request: Option<String>,
    /// A raw TCP connection: `PORT [direction=inbound|outbound]`
    #[arg(long, value_name = "PORT", conflicts_with_all = ["request", "connections", "requests_per_second"])]
    connection: Option<String>,
    /// Connections under each rule, at one proxy
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    connections: u64,
    /// Requests per second on one connection, for `max_requests_per_connection`
    #[arg(long, value_name = "RATE", value_parser = rate)]
    requests_per_second: Option<f64>,
    /// The output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// Human-readable text
    Text,
    /// Machine-readable JSON
    Json,
}

impl Args {
    /// Returns the request or connection to explain; None to explain the policy.
    ///
    /// # Errors
    /// A usage error.
    pub(super) fn lookup(&self) -> Result<Option<Lookup>> {
        let lookup = match (&self.request, &self.connection) {
            (Some(request), _) => Some(Lookup::request(request)),
            (None, Some(connection)) => Some(Lookup::connection(connection)),
            (None, None) => None,
        };
        let usage = |what| clap::Error::raw(ErrorKind::ValueValidation, format!("{what}\n"));
        Ok(lookup.transpose().map_err(usage)?)
    }

    pub(super) fn load(&self) -> Load {
        Load {
            connections: self.connections as f64,
            requests: self.requests_per_second,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| (1e-6..=1e6).contains(rate))
        .ok_or_else(|| "expected a number from 0.000001 to 1000000".to_owned())
}
