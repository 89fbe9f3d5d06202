//! The options of `evenkeel check`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::lint::Lint;

const EXAMPLES: &str = "\
Examples:
  evenkeel check policy.json
      All errors with their position, and warnings about risky settings
  evenkeel check --deny-warnings --connections 5000 policies/*.json
      For a pipeline; the budget is checked for 5000 connections per proxy
  evenkeel check --format github policy.json
      As annotations of a pull request
  evenkeel check evenkeel.yaml envoy.yaml
      The policies in Kubernetes manifests and in an Envoy configuration
  kubectl get wasmplugins,envoyfilters -A -o yaml | evenkeel check -
      The policies of a cluster
  curl -s http://127.0.0.1:15000/config_dump | evenkeel check -
      The policies of a running Envoy

Files:
  A file is a policy in JSON, or contains policies: Kubernetes manifests (WasmPlugin, TrafficExtension,
  EnvoyFilter, EnvoyExtensionPolicy, a ConfigMap with an Envoy configuration) or an Envoy configuration
  with wasm filters anywhere. They are YAML or JSON, with one document or several. Findings have the
  position in the file.

Exit codes:
  0  no errors
  1  a policy has an error, or with --deny-warnings a warning; or a file has no policy
  2  the command line is wrong, or a file cannot be read";

/// Report all errors of policies, with the messages that the module logs, and warn about risky settings
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Policies, or files that contain policies; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(super) format: Format,
    /// The connections of one proxy, to check the budget
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(super) connections: u64,
    /// Exit with 1 on warnings, too
    #[arg(long)]
    pub(super) deny_warnings: bool,
    /// Suppress a warning or note; may be given several times
    #[arg(long, value_enum, value_name = "CODE", hide_possible_values = true)]
    pub(super) allow: Vec<Lint>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// Human-readable text
    Text,
    /// Machine-readable JSON: `files`, `findings` and `summary`
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}
