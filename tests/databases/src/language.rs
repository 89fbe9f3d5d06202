//! The languages of the client programs, and how their libraries are provided.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use evenkeel_test_tools::cache;

use crate::process::run;
use crate::program::Program;

/// What a client program is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// Modules by `go build`.
    Go,
    /// Jars by Maven.
    Java,
    /// Libraries by pip into a virtual environment.
    Python,
}

impl Language {
    /// Returns what is not installed, if anything.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let programs: &[&str] = match self {
            Self::Go => &["go"],
            Self::Java => &["javac", "mvn"],
            Self::Python => &["python3"],
        };
        let path = env::var_os("PATH").unwrap_or_default();
        let is_installed = |program: &str| {
            env::split_paths(&path).any(|directory| directory.join(program).is_file())
        };
        programs
            .iter()
            .copied()
            .find(|program| !is_installed(program))
    }

    /// The program of that command line, with its libraries: downloaded once.
    pub(crate) fn program(self, line: &str) -> Result<Program> {
        let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let arguments = arguments.split_whitespace().map(Into::into);
        Ok(match self {
            Self::Go => go(name)?.with(arguments),
            Self::Java => java(name)?.with(arguments),
            Self::Python => python(name)?.with(arguments),
        })
    }
}

fn sources(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(language)
}

fn go(name: &str) -> Result<Program> {
    let module = sources("go");
    let version = run(Command::new("go").arg("version").current_dir(&module))?;
    let inputs = (version, cache::files_below(&module)?);
    let binaries = cache::provide("database-go", inputs, |directory| {
        eprintln!("Building the Go clients (once)");
        // The closing slash makes it a directory for the binary of each command of the module.
        let into = format!("{}/", directory.display());
        let mut build = Command::new("go");
        build.args(["build", "-o", &into, "./..."]);
        run(build.current_dir(&module))?;
        Ok(())
    })?;
    Ok(Program::new(binaries.join(name), Vec::new()))
}

fn java(class: &str) -> Result<Program> {
    let project = sources("java");
    let version = run(Command::new("javac").arg("--version"))?;
    let inputs = (version, cache::files_below(&project)?);
    let built = cache::provide("database-java", inputs, |directory| {
        eprintln!("Building the Java clients (once)");
        let mut maven = Command::new("mvn");
        maven
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(project.join("pom.xml"))
            .arg(format!("-Dinto={}", directory.display()))
            .args(["compile", "dependency:copy-dependencies"]);
        run(&mut maven)?;
        Ok(())
    })?;
    let [classes, jars] = ["classes", "dependency/*"].map(|part| built.join(part));
    let class_path = format!("{}:{}", classes.display(), jars.display());
    let main = format!("evenkeel.{class}");
    // They are idle most of the time: more compiling than this costs more than it saves.
    let arguments = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
    let arguments = arguments
        .into_iter()
        .chain(["--class-path", &class_path, &main]);
    Ok(Program::new(
        "java".into(),
        arguments.map(Into::into).collect(),
    ))
}

fn python(name: &str) -> Result<Program> {
    let requirements = sources("python").join("requirements.txt");
    let pinned = fs::read_to_string(&requirements)?;
    let version = run(Command::new("python3").arg("--version"))?;
    let environment = cache::provide("database-python", (version, &pinned), |directory| {
        eprintln!("Installing the Python clients (once)");
        run(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
        let mut pip = Command::new(directory.join("bin/python"));
        // Wheels only: what would have to be compiled here needs more than Python.
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
            .arg("--requirement")
            .arg(&requirements);
        run(&mut pip)?;
        Ok(())
    })?;
    let script = sources("python").join(format!("{name}.py"));
    // -B: a run must not leave bytecode among the sources.
    let arguments = vec!["-B".into(), script.into()];
    Ok(Program::new(environment.join("bin/python"), arguments))
}
