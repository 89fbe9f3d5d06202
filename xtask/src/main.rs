//! Tasks that cargo alone cannot do: provision tools, build the module, run all tests, measure, release.
//!
//! Exit codes: 0 for success, 1 for a failure, 2 for an invalid command line.

mod bench;
mod cache;
mod cli;
mod demo;
mod dist;
mod envoy;
mod file_limit;
mod fuzz;
mod generate;
mod indirect;
mod runner;
mod shell;
mod test;
mod trim;
mod wasm;
mod wasm_bindgen;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            evenkeel_report::terminal::error(&error);
            ExitCode::FAILURE
        }
    }
}
