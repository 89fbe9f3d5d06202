//! `evenkeel render`: what has to be loaded where, with the policy in it, for those who run a proxy.
//!
//! It needs no network: what it writes depends on the command line and the files it names alone, so it
//! can be kept in a repository and compared.

mod document;
mod istio;
mod module;
mod names;
mod output;
mod policy;
mod scalar;
mod template;

use anyhow::Result;
use clap::Subcommand;
use clap::error::ErrorKind;

/// Manifests and configurations that put a policy into a proxy, each line with its reason.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    target: Target,
}

#[derive(Subcommand)]
enum Target {
    Istio(istio::Args),
}

/// Writes what was asked for.
///
/// # Errors
/// When the policy is refused or something cannot be read or written; a usage error when the command
/// line asks for what cannot be.
pub fn run(args: &Args) -> Result<()> {
    match &args.target {
        Target::Istio(args) => istio::run(args),
    }
}

/// Ends with 2, as what clap itself refuses.
fn usage(what: String) -> anyhow::Error {
    clap::Error::raw(ErrorKind::ValueValidation, what + "\n").into()
}
