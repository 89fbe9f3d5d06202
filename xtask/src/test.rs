//! `cargo xtask test`: the proof of every part, step by step. CI runs this and nothing else.

mod demo;
mod dist;
mod istio;
mod step;
mod versions;
mod walk;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

use crate::shell::Shell;
use crate::term::{self, Paint, painted};
use crate::workspace::Workspace;
use step::Step;

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Run these steps only, in their usual order
    #[arg(long, value_name = "STEP", num_args = 1.., value_delimiter = ',')]
    only: Vec<Step>,
    /// Run the other steps after one failed
    #[arg(long)]
    keep_going: bool,
    /// Also what takes too long for every day: in `versions`, all stories in every release
    #[arg(long)]
    full: bool,
    /// Say which steps there are
    #[arg(long)]
    list: bool,
}

/// What became of a step, and how long it took.
#[derive(Clone, Copy)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// Runs the steps and prints a table of what became of them.
///
/// # Errors
/// Never for a step that failed: that is the exit code.
pub fn run(args: &Args, workspace: &Workspace) -> Result<ExitCode> {
    let chosen = |step: &Step| args.only.is_empty() || args.only.contains(step);
    let steps: Vec<Step> = Step::value_variants()
        .iter()
        .copied()
        .filter(chosen)
        .collect();
    if args.list {
        for step in steps {
            term::line(&format!("{:10}  {}", step.name(), step.title()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut outcomes: Vec<(Step, Outcome)> = Vec::new();
    let mut stopped = false;
    for step in steps {
        let outcome = if stopped {
            Outcome::NotRun
        } else {
            run_step(step, args.full, workspace)
        };
        stopped |= matches!(outcome, Outcome::Failed(_)) && !args.keep_going;
        outcomes.push((step, outcome));
    }
    Ok(summarize(&outcomes))
}

fn run_step(step: Step, full: bool, workspace: &Workspace) -> Outcome {
    term::line(&painted(
        Paint::Bold,
        format_args!("{}: {}", step.name(), step.title()),
    ));
    let start = Instant::now();
    let mut shell = Shell::kept();
    let result = step.run(full, workspace, &mut shell);
    let took = start.elapsed();
    match result {
        Ok(()) => {
            for line in closing_lines(&shell.transcript()) {
                term::line(line);
            }
            Outcome::Passed(took)
        }
        Err(error) => {
            if !shell.transcript().is_empty() {
                term::line(shell.transcript().trim_end());
            }
            term::fail(&error);
            Outcome::Failed(took)
        }
    }
}

/// What a runner of tests or of clients says at its end.
fn closing_lines(transcript: &str) -> impl Iterator<Item = &str> {
    transcript
        .lines()
        .filter(|line| CLOSING.iter().any(|word| line.starts_with(word)))
}

const CLOSING: [&str; 3] = ["test result:", "matrix:", "not run:"];

fn summarize(outcomes: &[(Step, Outcome)]) -> ExitCode {
    term::line("");
    for (step, outcome) in outcomes {
        let (paint, word, took) = match outcome {
            Outcome::Passed(took) => (Paint::Green, "passed", Some(took)),
            Outcome::Failed(took) => (Paint::Red, "FAILED", Some(took)),
            Outcome::NotRun => (Paint::Bold, "not run", None),
        };
        let word = painted(paint, format_args!("{word:7}"));
        let took = took
            .map(|took| format!("{:7.1} s", took.as_secs_f64()))
            .unwrap_or_default();
        term::line(format!("{:10}  {word}  {took}", step.name()).trim_end());
    }
    let count = |wanted: fn(&Outcome) -> bool| {
        outcomes
            .iter()
            .filter(|(_, outcome)| wanted(outcome))
            .count()
    };
    let passed = count(|outcome| matches!(outcome, Outcome::Passed(_)));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    term::line(&format!("{passed} passed, {failed} failed"));
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_step_shows_the_runners_closing_lines_only() {
        let transcript = "   Compiling wire\nrunning 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed\n";
        let shown: Vec<_> = closing_lines(transcript).collect();
        assert_eq!(shown, ["test result: ok. 1 passed; 0 failed"]);
    }
}
