//! The command line: one module a command.

use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::{alerts, check, completions, dashboard, explain, man, render, simulate, status, term};

/// What the program is called.
pub const NAME: &str = "evenkeel";

const EXAMPLES: &str = "\
Examples:
  evenkeel check shop.json
      Every mistake at once, and what is unwise
  evenkeel explain shop.json --request 'GET www.shop.example/api/cart'
      Which rule a request meets, and where its values come from
  evenkeel simulate scale-out --policy shop.json
      What shop.json would do to a service
  evenkeel render istio shop.json --module oci://registry.example/evenkeel:0.1.0 --workload app=shop
      What to load into a mesh
  evenkeel status http://127.0.0.1:15000
      What it does in a proxy, and whether connections are even
  source <(evenkeel completions bash)
  evenkeel man | man -l -";

/// Keep long-lived connections on an even keel.
#[derive(Parser)]
#[command(name = NAME, version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell every mistake of a policy at once, and what is legal but unwise
    Check(check::Args),
    /// Put a policy into plain sentences, or say what it makes of one request
    Explain(explain::Args),
    /// Show what a policy would do to a service: the module's own code on virtual time
    Simulate(Box<simulate::Args>),
    /// Write what has to be loaded where: Istio's resources, Envoy's configuration
    Render(render::Args),
    /// Tell from an Envoy's numbers what Evenkeel does there, and whether connections are even
    Status(status::Args),
    /// Print a Grafana dashboard
    Dashboard(dashboard::Args),
    /// Print Prometheus alert rules
    Alerts(alerts::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Does what the command line says. An error is told on stderr.
pub fn run() -> ExitCode {
    match command(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(usage) => usage.exit(),
            Err(error) => {
                term::fail(&error);
                ExitCode::FAILURE
            }
        },
    }
}

/// Every command, as the parser knows it.
pub fn commands() -> clap::Command {
    Cli::command()
}

/// An error that ends with 2, as what clap itself refuses.
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
