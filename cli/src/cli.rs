//! The command line: one module per command.

use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use evenkeel_report::terminal;

use crate::{alerts, check, completions, dashboard, explain, man, render, simulate, status};

/// The name of the program.
pub const NAME: &str = "evenkeel";

const EXAMPLES: &str = "\
Examples:
  evenkeel check shop.json
      All errors of a policy, and warnings about risky settings
  evenkeel explain shop.json --request 'GET www.shop.example/api/cart'
      The rule that applies to a request, and the origin of each value
  evenkeel simulate scale-out --policy shop.json
      The effect of shop.json on a simulated service
  evenkeel render istio shop.json --module oci://registry.example/evenkeel:0.1.0 --workload app=shop
      Manifests for a mesh
  evenkeel status http://127.0.0.1:15000
      What Evenkeel does in a proxy, and whether connections are balanced
  source <(evenkeel completions bash)
  evenkeel man | man -l -";

/// Rebalance long-lived connections in Envoy by draining them at safe points.
#[derive(Parser)]
#[command(name = NAME, version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Report all errors of a policy, and warn about risky settings
    Check(check::Args),
    /// Describe a policy in sentences, or show which rule applies to a request
    Explain(explain::Args),
    /// Simulate the effect of a policy on a service: the module's own code on virtual time
    Simulate(Box<simulate::Args>),
    /// Render manifests for Istio or Envoy Gateway, or configuration for Envoy
    Render(render::Args),
    /// Show from Envoy's metrics what Evenkeel does, and whether connections are balanced
    Status(status::Args),
    /// Print a Grafana dashboard
    Dashboard(dashboard::Args),
    /// Print Prometheus alert rules
    Alerts(alerts::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command line. Errors are printed on stderr.
pub fn run() -> ExitCode {
    match command(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(usage) => usage.exit(),
            Err(error) => {
                terminal::error(&error);
                ExitCode::FAILURE
            }
        },
    }
}

/// Returns all commands, as the parser knows them.
pub fn commands() -> clap::Command {
    Cli::command()
}

/// Returns a usage error: exit code 2, as for errors that clap finds.
pub fn usage(what: String) -> anyhow::Error {
    clap::Error::raw(ErrorKind::ValueValidation, what + "\n").into()
}

fn command(command: Command) -> Result<ExitCode> {
    match command {
        Command::Check(args) => return check::run(&args),
        Command::Explain(args) => explain::run(&args)?,
        Command::Render(args) => render::run(&args)?,
        Command::Simulate(args) => simulate::run(&args)?,
        Command::Status(args) => return status::run(&args),
        Command::Dashboard(args) => dashboard::run(&args)?,
        Command::Alerts(args) => alerts::run(&args)?,
        Command::Completions(args) => completions::run(&args, commands())?,
        Command::Man(args) => man::run(&args, commands())?,
    }
    Ok(ExitCode::SUCCESS)
}
