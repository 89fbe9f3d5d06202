//! `evenkeel`: for an operator, before a policy is in force.
//!
//! Ends with 0 when all went well, 1 when something failed, 2 when the command line was wrong.

mod cli;
mod simulate;
mod span;
mod term;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(usage) => usage.exit(),
            Err(error) => {
                term::fail(&error);
                ExitCode::FAILURE
            }
        },
    }
}
