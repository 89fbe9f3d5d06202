//! The command line: one module a command.

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use crate::{completions, man, simulate, term};

/// What the program is called.
pub const NAME: &str = "evenkeel";

const EXAMPLES: &str = "\
Examples:
  evenkeel simulate scale-out --policy shop.json
      What shop.json would do to a service
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
    /// Show what a policy would do to a service: the module's own code on virtual time
    Simulate(simulate::Args),
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

fn command(command: Command) -> Result<ExitCode> {
    match command {
        Command::Simulate(args) => simulate::run(&args)?,
        Command::Completions(args) => completions::run(&args, commands())?,
        Command::Man(args) => man::run(&args, commands())?,
    }
    Ok(ExitCode::SUCCESS)
}
