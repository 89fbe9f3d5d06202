//! `evenkeel man` and `evenkeel completions` in man and in a shell.

use std::fs;
use std::iter;
use std::process::Command;

use crate::support::evenkeel;

fn written(args: &[&str]) -> String {
    let run = evenkeel(args);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
    run.stdout
}

/// Returns the completions of bash for the last word of `line`.
fn offered(line: &[&str]) -> String {
    let script = r#"
        source <("$1" completions bash)
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _evenkeel evenkeel "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args([
            "--norc",
            "-euc",
            script,
            "bash",
            env!("CARGO_BIN_EXE_evenkeel"),
        ])
        .args(line)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offered(&["evenkeel", "simul"]), "simulate\n");
    assert_eq!(
        offered(&["evenkeel", "simulate", "--gossip-lo"]),
        "--gossip-loss\n"
    );
    assert!(offered(&["evenkeel", "simulate", ""]).contains("rolling-update\n"));
    assert!(offered(&["evenkeel", "completions", "z"]).contains("zsh\n"));
}

#[test]
fn completions_cover_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = written(&["completions", shell]);
        for command in evenkeel_cli::commands().get_subcommands() {
            assert!(
                script.contains(command.get_name()),
                "{shell}: {}",
                command.get_name()
            );
        }
    }
    assert_eq!(evenkeel(&["completions", "tcsh"]).code, 2);
}

#[test]
fn every_command_has_a_man_page() {
    let directory = tempfile::tempdir().unwrap();
    let man1 = directory.path().join("share/man/man1");

    written(&["man", "--dir", man1.to_str().unwrap()]);

    let page = |name: &str| fs::read_to_string(man1.join(name)).unwrap();
    assert_eq!(page("evenkeel.1"), written(&["man"]));
    let commands = evenkeel_cli::commands();
    let below = |command: &clap::Command, above: &str| -> Vec<(String, clap::Command)> {
        let below = command.get_subcommands();
        below
            .map(|one| {
                (
                    format!("{above} {}", one.get_name()).trim().to_owned(),
                    one.clone(),
                )
            })
            .collect()
    };
    let mut left = below(&commands, "");
    while let Some((name, command)) = left.pop() {
        left.extend(below(&command, &name));
        let page = page(&format!("evenkeel-{}.1", name.replace(' ', "-")));
        let words: Vec<_> = iter::once("man").chain(name.split(' ')).collect();
        assert_eq!(page, written(&words));
        for part in [
            ".TH evenkeel",
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH OPTIONS",
            ".SH \"EXIT STATUS\"",
            ".SH EXAMPLES",
        ] {
            assert!(page.contains(part), "{name}: no {part}: {page}");
        }
    }
}

#[test]
fn unknown_man_page_is_rejected_with_the_known_names() {
    let run = evenkeel(&["man", "simulat"]);

    assert_eq!(run.code, 2);
    let error = run.stderr;
    assert!(
        error.contains("no command simulat") && error.contains("simulate"),
        "{error}"
    );
}
