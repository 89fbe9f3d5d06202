//! Ends with 0 when all went well, 1 when something failed, 2 when the command line was wrong.

use std::process::ExitCode;

fn main() -> ExitCode {
    evenkeel_cli::run()
}
