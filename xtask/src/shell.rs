//! Runs other programs in the same process group, so that Ctrl-C ends them, too.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use evenkeel_report::terminal::{self, Status};

/// How the output of children is handled.
pub struct Shell {
    captured: Option<Vec<u8>>,
}

impl Shell {
    /// Children write to our stdout and stderr.
    pub fn inherit() -> Self {
        Self { captured: None }
    }

    /// The output of children is captured, in the order of its lines.
    pub fn capture() -> Self {
        Self {
            captured: Some(Vec::new()),
        }
    }

    /// Returns the captured output of children.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(self.captured.as_deref().unwrap_or_default()).into_owned()
    }

    /// Prints a line of progress, also if the output of children is captured.
    pub fn note(&mut self, text: &str) {
        terminal::note(text);
        if let Some(captured) = &mut self.captured {
            captured.extend(format!("{text}\n").bytes());
        }
    }

    /// Runs `command` until it ends.
    ///
    /// # Errors
    /// When it cannot be started, or fails; the error has the command and its status.
    pub fn run(&mut self, mut command: Command) -> Result<()> {
        let status = match &mut self.captured {
            None => command.status(),
            Some(captured) => run_captured(&mut command, captured),
        };
        let status = status.with_context(|| format!("cannot run `{}`", display(&command)))?;
        if !status.success() {
            bail!("`{}` failed: {status}", display(&command));
        }
        Ok(())
    }
}

/// Captures both streams through one pipe: two would lose the order of their lines.
fn run_captured(
    command: &mut Command,
    captured: &mut Vec<u8>,
) -> io::Result<std::process::ExitStatus> {
    let (reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let child = command.spawn();
    // The command holds copies of the writing end: while they are open, the pipe does not end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child?;
    let status = Status::new();
    let mut reader = BufReader::new(reader);
    let mut start = captured.len();
    while reader.read_until(b'\n', captured)? > 0 {
        status.show(&String::from_utf8_lossy(
            captured.get(start..).unwrap_or_default(),
        ));
        start = captured.len();
    }
    child.wait()
}

/// Formats `command` as on the command line: its variables, the program's name, its arguments.
pub fn display(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        Some(format!("{}={}", name.to_string_lossy(), quoted(&value)))
    });
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    let words = words.map(|word| quoted(&word.to_string_lossy()));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_are_kept_in_the_order_they_were_written() {
        let mut shell = Shell::capture();
        shell.run(sh("echo one; echo two >&2; echo three")).unwrap();
        assert_eq!(shell.transcript(), "one\ntwo\nthree\n");
    }

    #[test]
    fn failure_names_the_command_and_its_status() {
        let mut command = sh("exit 3");
        command.env("GREETING", "good day");
        let error = Shell::capture().run(command).unwrap_err().to_string();
        assert_eq!(
            error,
            "`GREETING='good day' sh -c 'exit 3'` failed: exit status: 3"
        );
    }

    #[test]
    fn missing_program_is_named() {
        let error = Shell::capture()
            .run(Command::new("no-such-program"))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "cannot run `no-such-program`");
    }
}
