//! The command line: one module a command.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{check, explain, render, simulate, term};

/// Evenkeel keeps long-lived connections on an even keel.
#[derive(Parser)]
#[command(name = "evenkeel", version, propagate_version = true)]
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
    /// Write what has to be loaded where: Istio's resources, Envoy's configuration
    Render(render::Args),
    /// Show what a policy would do to a service: the module's own code on virtual time
    Simulate(simulate::Args),
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
        Command::Check(args) => return check::run(&args),
        Command::Explain(args) => return explain::run(&args),
        Command::Render(args) => render::run(&args)?,
        Command::Simulate(args) => simulate::run(&args)?,
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
