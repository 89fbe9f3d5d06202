//! Python: libraries by pip into a virtual environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use evenkeel_test_tools::cache;

use super::{Program, output_of, run, sources, tuned};
use crate::h2load;

pub(super) fn version() -> Option<String> {
    output_of(Command::new("python3").arg("--version"))
}

pub(super) fn program(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let environment = environment(version, note)?;
    let (name, tuned) = tuned(name);
    let script = sources("python").join(format!("{name}.py"));
    let program = Program::new(
        environment.join("bin/python"),
        // -B: a run must not leave bytecode among the sources.
        vec!["-B".into(), script.into()],
    );
    Ok(match name {
        "h2load_client" => program.with("EVENKEEL_H2LOAD", h2load::binary()?),
        _ if tuned => program.tuned(),
        _ => program,
    })
}

/// The virtual environment with every library of the clients.
fn environment(version: &str, note: impl Fn(&str)) -> Result<PathBuf> {
    let requirements = sources("python").join("requirements.txt");
    let pinned = fs::read_to_string(&requirements)?;
    cache::provide("python", (version, &pinned), |directory| {
        note("Installing the Python clients (once)");
        let mut venv = Command::new("python3");
        run(venv.args(["-m", "venv"]).arg(directory))?;
        let mut pip = Command::new(directory.join("bin/python"));
        // Wheels only: what would have to be compiled here needs more than Python.
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
            .arg("--requirement")
            .arg(&requirements);
        run(&mut pip)
    })
}

/// Lays packages below `directory`, without what they need.
pub(super) fn install(packages: &[&str], directory: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
        .args(["--no-deps", "--target"])
        .arg(directory)
        .args(packages);
    run(&mut pip)
}
