//! The command line: one module a command.

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::simulate;

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
    Simulate(simulate::Args),
}

pub fn run() -> Result<()> {
    match Cli::parse().command {
        Command::Simulate(args) => simulate::run(&args),
    }
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
