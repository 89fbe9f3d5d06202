//! The command line: one module a command.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{alerts, dashboard, simulate, status, term};

/// Evenkeel keeps long-lived connections on an even keel.
#[derive(Parser)]
#[command(name = "evenkeel", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what a policy would do to a service: the module's own code on virtual time
    Simulate(Box<simulate::Args>),
    /// Tell from an Envoy's numbers what Evenkeel does there, and whether connections are even
    Status(status::Args),
    /// Print a Grafana dashboard
    Dashboard(dashboard::Args),
    /// Print Prometheus alert rules
    Alerts(alerts::Args),
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

fn command(command: Command) -> Result<ExitCode> {
    match command {
        Command::Simulate(args) => simulate::run(&args)?,
        Command::Status(args) => return status::run(&args),
        Command::Dashboard(args) => dashboard::run(&args)?,
        Command::Alerts(args) => alerts::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        Cli::command().debug_assert();
    }
}
