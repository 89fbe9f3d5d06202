//! Python: libraries by pip into a virtual environment.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Program, done, said, sources};
use crate::cache;

pub(super) fn version() -> Option<String> {
    said(Command::new("python3").arg("--version"))
}

pub(super) fn program(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let requirements = sources("python").join("requirements.txt");
    let pinned = fs::read_to_string(&requirements)?;
    let environment = cache::provide("python", (version, &pinned), |directory| {
        note("Installing the Python clients (once)");
        let mut venv = Command::new("python3");
        done(venv.args(["-m", "venv"]).arg(directory))?;
        let mut pip = Command::new(directory.join("bin/python"));
        // Wheels only: what would have to be compiled here needs more than Python.
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
            .arg("--requirement")
            .arg(&requirements);
        done(&mut pip)
    })?;
    let script = sources("python").join(format!("{name}.py"));
    Ok(Program::new(
        environment.join("bin/python"),
        // -B: a run must not leave bytecode among the sources.
        vec!["-B".into(), script.into()],
    ))
}
