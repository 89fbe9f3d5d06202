//! h2spec: about 150 cases from RFC 9113 and RFC 7541, built from its pinned source by `go build`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// The timeout of h2spec in seconds. Envoy closes a connection one second after an error.
const TIMEOUT: u32 = 2;

/// The text of h2spec for a closed connection.
const CLOSED: &str = "Connection closed";

/// A built h2spec.
#[derive(Clone, Debug)]
pub struct H2spec(PathBuf);

/// The verdicts by section and name of the case.
pub type Verdicts = BTreeMap<String, Verdict>;

/// The verdict of h2spec on a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server behaved as expected.
    Passed,
    /// The case does not apply.
    Skipped,
    /// The server did not; the expected and the actual behavior, a line each.
    Failed(String),
}

impl H2spec {
    /// Builds h2spec into `directory`; None without Go.
    ///
    /// # Errors
    /// When its source cannot be downloaded, with the output of Go.
    pub async fn build(directory: &Path) -> Result<Option<Self>> {
        let program = directory.join("h2spec");
        let built = Command::new("go")
            .args(["build", "-mod=readonly", "-o"])
            .arg(&program)
            .arg("github.com/summerwind/h2spec/cmd/h2spec")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("h2spec"))
            .output()
            .await;
        match built {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("cannot start go"),
            Ok(built) if built.status.success() => Ok(Some(Self(program))),
            Ok(built) => bail!(
                "go build of h2spec failed\n{}",
                String::from_utf8_lossy(&built.stderr)
            ),
        }
    }

    /// Runs every case against the server.
    ///
    /// # Errors
    /// When h2spec ends without a report, with its output.
    pub async fn run(&self, server: SocketAddr) -> Result<Verdicts> {
        let directory = tempfile::tempdir()?;
        let report = directory.path().join("report.xml");
        let output = Command::new(&self.0)
            .args(["--host", &server.ip().to_string()])
            .args(["--port", &server.port().to_string()])
            .args(["--timeout", &TIMEOUT.to_string()])
            .arg("--junit-report")
            .arg(&report)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot start h2spec")?;
        // The exit code shows only whether a case failed.
        let Ok(report) = fs::read(&report) else {
            let text = [output.stdout, output.stderr].concat();
            bail!("h2spec wrote no report\n{}", String::from_utf8_lossy(&text));
        };
        parse(&String::from_utf8_lossy(&report))
    }
}

fn parse(report: &str) -> Result<Verdicts> {
    // h2spec writes the raw bytes of frames, most of which are invalid in XML.
    let text: String = report
        .chars()
        .filter(|&c| c == '\n' || !c.is_control())
        .collect();
    let document = roxmltree::Document::parse(&text).context("h2spec's report")?;
    let mut verdicts = Verdicts::new();
    for case in document
        .descendants()
        .filter(|n| n.has_tag_name("testcase"))
    {
        let attribute = |name| case.attribute(name).context("a case without a name");
        let name = format!("{}: {}", attribute("package")?, attribute("classname")?);
        let child = case.children().find(roxmltree::Node::is_element);
        let verdict = match child {
            None => Verdict::Passed,
            Some(child) if child.has_tag_name("skipped") => Verdict::Skipped,
            Some(child) => judge(child.text().unwrap_or_default().trim()),
        };
        if verdicts.contains_key(&name) {
            bail!("h2spec has two cases of the name {name}");
        }
        verdicts.insert(name, verdict);
    }
    Ok(verdicts)
}

/// The lines are the accepted behaviors, and the last one is the actual. A connection with unread bytes is closed with a RST,
/// which h2spec does not take for a close.
fn judge(failure: &str) -> Verdict {
    let (expected, actual) = failure.rsplit_once('\n').unwrap_or_default();
    if actual.contains("connection reset by peer") && expected.lines().any(|line| line == CLOSED) {
        return Verdict::Passed;
    }
    Verdict::Failed(failure.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_has_a_verdict_for_each_case() {
        let report = "<?xml version=\"1.0\"?><testsuites><testsuite>\
            <testcase package=\"http2/6.7\" classname=\"Sends a PING\" time=\"0.1\"></testcase>\
            <testcase package=\"http2/7\" classname=\"Sends a GOAWAY\" time=\"2.0\">\
            <error>PING Frame (opaque_data:h2spec\0\0)\nTimeout</error></testcase>\
            </testsuite></testsuites>";

        let verdicts = parse(report).unwrap();

        let failed = Verdict::Failed("PING Frame (opaque_data:h2spec)\nTimeout".into());
        assert_eq!(verdicts["http2/6.7: Sends a PING"], Verdict::Passed);
        assert_eq!(verdicts["http2/7: Sends a GOAWAY"], failed);
    }

    #[test]
    fn reset_counts_as_a_close() {
        let reset = "Error: read tcp: read: connection reset by peer";
        let either = format!("GOAWAY Frame\nConnection closed\n{reset}");
        let goaway = format!("GOAWAY Frame\n{reset}");

        assert_eq!(judge(&either), Verdict::Passed);
        assert_eq!(judge(&goaway), Verdict::Failed(goaway));
    }
}
