//! What cargo alone cannot do for Evenkeel: provision, build the module, test it everywhere, measure it.
//!
//! Ends with 0 when all went well, 1 when something failed, 2 when the command line was wrong.

mod bench;
mod cache;
mod cli;
mod clients;
mod demo;
mod dist;
mod envoy;
mod generate;
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
