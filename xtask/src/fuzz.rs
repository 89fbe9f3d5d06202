//! `cargo xtask fuzz`: the long run of the fuzz targets. `filter/wire/tests/fuzz.rs` is the short one.
//!
//! libFuzzer needs the coverage instrumentation of LLVM, which the pinned compiler has. Nightly's address sanitizer would
//! find nothing more: the scanners have no `unsafe`.

#[path = "../../fuzz/src/seeds.rs"]
mod seeds;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use evenkeel_report::terminal;

use crate::shell::{Shell, display};
use crate::workspace::{self, Workspace};
use seeds::{SEEDS, Seed};

/// What `cargo fuzz` passes, but for the sanitizer.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// The lines of a failed run that are shown: the panic, and where libFuzzer has written the input.
const SHOWN_LINES: usize = 30;

/// The options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// Targets; all if none is named
    #[arg(value_name = "TARGET", value_parser = PossibleValuesParser::new(SEEDS.map(|seed| seed.target)))]
    targets: Vec<String>,
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// Runs the targets one after the other. Inputs that reach new code are kept in the target directory, for the next run.
///
/// # Errors
/// When a target does not compile, or fails: names the input.
pub fn run(args: &Args, workspace: &Workspace) -> Result<()> {
    let host = workspace::host()?;
    let directory = workspace.target.join("fuzz");
    Shell::inherit()
        .run(build(workspace, &directory, &host))
        .context("building the fuzz targets, which takes a C++ compiler for libFuzzer")?;
    let chosen = |seed: &&Seed| {
        args.targets.is_empty() || args.targets.iter().any(|name| name == seed.target)
    };
    let mut failed = Vec::new();
    let mut executions = 0;
    for seed in SEEDS.iter().filter(chosen) {
        let program = directory.join(&host).join("release").join(seed.target);
        match fuzz(seed, &program, &directory, args.seconds)? {
            Some(executed) => executions += executed,
            None => failed.push(seed.target),
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    terminal::line(&format!("{executions} executions, no failure"));
    Ok(())
}

fn build(workspace: &Workspace, directory: &Path, host: &str) -> Command {
    let mut build =
        workspace.cargo("build --quiet --release --bins --manifest-path fuzz/Cargo.toml");
    // With a target, build scripts are not instrumented.
    build
        .args(["--target", host, "--target-dir"])
        .arg(directory);
    build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    build
}

/// Runs a target. Returns how many inputs it executed; None if it failed.
fn fuzz(seed: &Seed, program: &Path, directory: &Path, seconds: u32) -> Result<Option<u64>> {
    let corpus = directory.join("corpus").join(seed.target);
    write_seeds(seed, &corpus).with_context(|| format!("cannot write {}", corpus.display()))?;
    let mut run = Command::new(program);
    run.arg(&corpus);
    run.args(["-max_len=4096", "-timeout=10", "-print_final_stats=1"]);
    run.arg(format!("-max_total_time={seconds}"));
    run.arg(format!(
        "-artifact_prefix={}/failed-{}-",
        directory.display(),
        seed.target
    ));
    let command = display(&run);
    let mut shell = Shell::capture();
    terminal::note(&format!("{}: running for {seconds} s", seed.target));
    let result = shell.run(run);
    let output = shell.transcript();
    if let Err(error) = result {
        let lines: Vec<_> = output.lines().collect();
        let shown = lines.len().saturating_sub(SHOWN_LINES);
        for line in lines.into_iter().skip(shown) {
            terminal::line(line);
        }
        terminal::error(&error);
        terminal::note(
            "to repeat it, pass the file that is named above to the program in place of the corpus",
        );
        return Ok(None);
    }
    let (executed, edges) =
        statistics(&output).with_context(|| format!("`{command}` printed no statistics"))?;
    terminal::line(&format!(
        "{:10}  {executed:>11} executions in {seconds} s, {edges} edges covered",
        seed.target
    ));
    Ok(Some(executed))
}

fn write_seeds(seed: &Seed, corpus: &Path) -> std::io::Result<()> {
    fs::create_dir_all(corpus)?;
    for (number, input) in seed.inputs().enumerate() {
        fs::write(corpus.join(format!("seed-{number}")), input)?;
    }
    Ok(())
}

/// The executions and the covered edges that libFuzzer prints at the end.
fn statistics(output: &str) -> Option<(u64, u64)> {
    let executed = output
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    let (_, edges) = output.rsplit_once(" cov: ")?;
    let edges = edges.split_whitespace().next()?;
    Some((executed.trim().parse().ok()?, edges.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_the_end() {
        let output = "#2\tINITED cov: 80 ft: 81 corp: 1/1b exec/s: 0 rss: 30Mb\n\
            #900\tDONE   cov: 95 ft: 99 corp: 8/90b lim: 4 exec/s: 90 rss: 31Mb\n\
            Done 900 runs in 10 second(s)\nstat::number_of_executed_units: 900\n";
        assert_eq!(statistics(output), Some((900, 95)));
        assert_eq!(statistics("cannot open shared object file\n"), None);
    }

    #[test]
    fn each_target_has_a_seed() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        let targets = manifest
            .lines()
            .filter(|line| line.starts_with("path = \"fuzz_targets/"));
        assert_eq!(targets.count(), SEEDS.len());
        for seed in SEEDS {
            assert!(manifest.contains(&format!("name = \"{}\"\n", seed.target)));
        }
    }
}
