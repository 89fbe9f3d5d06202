//! Exit codes: 0 for success, 1 for a failure, 2 for an invalid command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    evenkeel_cli::run()
}
