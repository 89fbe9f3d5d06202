//! `evenkeel render`: manifests and configuration that load the module with a policy.
//!
//! It needs no network: the output depends only on the command line and its files, so it
//! can be kept in a repository and compared.

mod document;
mod envoy;
mod gateway_api;
mod istio;
mod manifests;
mod module;
mod names;
mod native;
mod policy;
mod scalar;
mod template;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use evenkeel_report::terminal;
use serde_json::json;

pub use manifests::manifests;

/// The name of the file with the manifests or the configuration.
const MAIN_FILE: &str = "evenkeel.yaml";

const EXAMPLES: &str = "\
Examples:
  evenkeel render istio shop.json --module oci://registry.example/evenkeel:0.1.0 --workload app=shop -o shop
  evenkeel render envoy shop.json --module /etc/envoy/evenkeel.wasm
  evenkeel render gateway-api shop.json --module oci://registry.example/evenkeel:0.1.0 --gateway public";

/// Render manifests for Istio or Envoy Gateway, or configuration for Envoy
///
/// Comments give the reasons. No network is needed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    target: Target,
    /// Write evenkeel.yaml, and for Kubernetes kustomization.yaml, into this directory instead of to stdout
    #[arg(long, short, value_name = "DIR", global = true)]
    output: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Target {
    Istio(Box<istio::Args>),
    Envoy(envoy::Args),
    GatewayApi(gateway_api::Args),
}

impl Target {
    fn text(&self) -> Result<String> {
        match self {
            Self::Istio(args) => istio::text(args),
            Self::Envoy(args) => envoy::text(args),
            Self::GatewayApi(args) => gateway_api::text(args),
        }
    }

    fn is_for_kubernetes(&self) -> bool {
        !matches!(self, Self::Envoy(_))
    }
}

impl Args {
    /// Renders the files; for Kubernetes they are a base of kustomize.
    fn files(&self) -> Result<Vec<(&'static str, String)>> {
        let mut files = vec![(MAIN_FILE, self.target.text()?)];
        if self.target.is_for_kubernetes() {
            let kustomization = template::render("kustomization", &json!({ "file": MAIN_FILE }))?;
            files.push(("kustomization.yaml", kustomization));
        }
        Ok(files)
    }
}

/// Renders to stdout or into a directory.
///
/// # Errors
/// When the policy is invalid or something cannot be read or written; a usage error when the options
/// contradict each other.
pub fn run(args: &Args) -> Result<()> {
    let Some(directory) = &args.output else {
        terminal::text(&args.target.text()?);
        return Ok(());
    };
    let files = args.files()?;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create the directory {}", directory.display()))?;
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Returns what `evenkeel render` prints with these arguments, for tests that
/// start a proxy with it.
///
/// # Errors
/// As `run`.
pub fn rendered<T: Into<OsString> + Clone>(args: impl IntoIterator<Item = T>) -> Result<String> {
    parse(args)?.target.text()
}

fn parse<T: Into<OsString> + Clone>(args: impl IntoIterator<Item = T>) -> Result<Args> {
    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    Ok(Line::try_parse_from(args)?.args)
}
