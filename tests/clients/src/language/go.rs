//! Go: modules by `go build`.

use std::process::Command;

use anyhow::Result;

use super::{Program, output_of, run, sources, tuned};
use evenkeel_test_tools::cache;

pub(super) fn version() -> Option<String> {
    // In the folder of the manifest, which selects the toolchain.
    output_of(Command::new("go").arg("version").current_dir(sources("go")))
}

pub(super) fn program(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let module = sources("go");
    let inputs = (version, cache::files_below(&module)?);
    let binaries = cache::provide("go", inputs, |directory| {
        note("Building the Go clients (once)");
        // The closing slash makes it a directory for the binary of every command of the module.
        let into = format!("{}/", directory.display());
        let mut build = Command::new("go");
        run(build
            .args(["build", "-o", &into, "./..."])
            .current_dir(&module))
    })?;
    let (name, tuned) = tuned(name);
    let program = Program::new(binaries.join(name), Vec::new());
    Ok(if tuned { program.tuned() } else { program })
}
