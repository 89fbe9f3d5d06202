//! Conventions of all commands in the parser's list.

use std::process::{Command, Output, Stdio};

/// The program without arguments, and each command, as words.
fn commands() -> Vec<Vec<String>> {
    fn walk(command: &clap::Command, words: &[String], found: &mut Vec<Vec<String>>) {
        found.push(words.to_vec());
        for subcommand in command.get_subcommands() {
            let name = subcommand.get_name().to_owned();
            walk(subcommand, &[words, &[name]].concat(), found);
        }
    }
    let mut found = Vec::new();
    walk(&evenkeel_cli::commands(), &[], &mut found);
    assert!(found.iter().any(|words| words == &["simulate"]));
    found
}

fn evenkeel(words: &[String], more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(words)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn command_line_definition_is_consistent() {
    evenkeel_cli::commands().debug_assert();
}

#[test]
fn help_has_a_summary_and_examples() {
    for words in commands() {
        for flag in ["-h", "--help"] {
            let output = evenkeel(&words, &[flag]);

            let help = text(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{words:?} {flag}");
            assert!(
                output.stderr.is_empty(),
                "{words:?} {flag}: {:?}",
                output.stderr
            );
            let about = help.lines().next().unwrap_or_default();
            assert!(
                !about.is_empty() && !about.starts_with("Usage"),
                "{words:?}: no about: {help}"
            );
            let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_default();
            let example = format!("evenkeel {}", words.join(" "));
            assert!(
                examples.contains(example.trim_end()),
                "{words:?}: no example: {help}"
            );
        }
    }
}

#[test]
fn unknown_flags_and_commands_end_with_2_and_are_named() {
    for words in commands() {
        let output = evenkeel(&words, &["--no-such-flag"]);

        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains("--no-such-flag"), "{words:?}: {error}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
    assert_eq!(
        evenkeel(&["no-such-command".to_owned()], &[]).status.code(),
        Some(2)
    );
    assert_eq!(evenkeel(&[], &[]).status.code(), Some(2));
}

#[test]
fn output_is_not_colored_in_pipes() {
    for words in commands() {
        for more in ["--help", "--no-such-flag"] {
            let output = evenkeel(&words, &[more]);
            let printed = [output.stdout, output.stderr].concat();
            assert!(
                !printed.contains(&0x1b),
                "{words:?} {more}: {}",
                text(&printed)
            );
        }
    }
}

#[test]
fn every_command_prints_the_version() {
    for words in commands() {
        let output = evenkeel(&words, &["--version"]);

        assert_eq!(output.status.code(), Some(0), "{words:?}");
        let printed = text(&output.stdout).trim_end();
        assert!(printed.starts_with("evenkeel"), "{words:?}: {printed}");
        assert!(
            printed.ends_with(env!("CARGO_PKG_VERSION")),
            "{words:?}: {printed}"
        );
    }
}
