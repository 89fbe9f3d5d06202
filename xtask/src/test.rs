//! `cargo xtask test`: all checks, step by step. CI runs only this.

mod demo;
mod deny;
mod dist;
mod istio;
mod step;
mod versions;
mod walk;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use evenkeel_report::terminal::{self, Style, styled};

use crate::shell::Shell;
use crate::workspace::Workspace;
use step::Step;

/// The options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Run only these steps, in their usual order
    #[arg(long, value_name = "STEP", num_args = 1.., value_delimiter = ',')]
    only: Vec<Step>,
    /// Stop after the first step that fails
    #[arg(long)]
    fail_fast: bool,
    /// Include long tests: in `versions`, all stories in every release
    #[arg(long)]
    full: bool,
    /// List the steps
    #[arg(long)]
    list: bool,
}

/// The result of a step, and how long it took.
#[derive(Clone, Copy)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// Runs the steps and prints a table of their results.
///
/// # Errors
/// Never: a failed step sets the exit code.
pub fn run(args: &Args, workspace: &Workspace) -> Result<ExitCode> {
    let chosen = |step: &Step| args.only.is_empty() || args.only.contains(step);
    let steps: Vec<Step> = Step::value_variants()
        .iter()
        .copied()
        .filter(chosen)
        .collect();
    if args.list {
        for step in steps {
            terminal::line(&format!("{:11}  {}", step.name(), step.title()));
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
        stopped |= matches!(outcome, Outcome::Failed(_)) && args.fail_fast;
        outcomes.push((step, outcome));
    }
    Ok(summarize(&outcomes))
}

fn run_step(step: Step, full: bool, workspace: &Workspace) -> Outcome {
    terminal::line(&styled(
        Style::Bold,
        format_args!("{}: {}", step.name(), step.title()),
    ));
    // What CI cannot run is not checked anywhere.
    if let Some(obstacle) = step.obstacle()
        && env::var_os("CI").is_none()
    {
        terminal::line(&format!("not run: {obstacle}"));
        return Outcome::NotRun;
    }
    let start = Instant::now();
    let mut shell = Shell::capture();
    // A step that panics has failed; the next ones still run.
    let result = with_progress(&step.name(), || {
        catch_unwind(AssertUnwindSafe(|| step.run(full, workspace, &mut shell)))
    });
    let result = result.unwrap_or_else(|_| Err(anyhow!("the step panicked")));
    let took = start.elapsed();
    match result {
        Ok(()) => {
            for line in closing_lines(&shell.transcript()) {
                terminal::line(line);
            }
            Outcome::Passed(took)
        }
        Err(error) => {
            if !shell.transcript().is_empty() {
                terminal::line(shell.transcript().trim_end());
            }
            terminal::error(&error);
            Outcome::Failed(took)
        }
    }
}

/// Runs `task` and prints a line every minute: on a fresh machine a step fetches and builds for a long time.
fn with_progress<T>(name: &str, task: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while is_done.recv_timeout(MINUTE) == Err(RecvTimeoutError::Timeout) {
                let minutes = start.elapsed().as_secs() / 60;
                terminal::note(&format!("{name}: running for {minutes} min"));
            }
        });
        let result = task();
        drop(done);
        result
    })
}

const MINUTE: Duration = Duration::from_secs(60);

/// The last lines of a test or client runner.
fn closing_lines(transcript: &str) -> impl Iterator<Item = &str> {
    transcript
        .lines()
        .filter(|line| CLOSING.iter().any(|word| line.starts_with(word)))
}

const CLOSING: [&str; 5] = ["test result:", "matrix:", "databases:", "lab:", "not run:"];

fn summarize(outcomes: &[(Step, Outcome)]) -> ExitCode {
    terminal::line("");
    for (step, outcome) in outcomes {
        let (paint, word, took) = match outcome {
            Outcome::Passed(took) => (Style::Green, "passed", Some(took)),
            Outcome::Failed(took) => (Style::Red, "FAILED", Some(took)),
            Outcome::NotRun => (Style::Bold, "not run", None),
        };
        let word = styled(paint, format_args!("{word:7}"));
        let took = took
            .map(|took| format!("{:7.1} s", took.as_secs_f64()))
            .unwrap_or_default();
        terminal::line(format!("{:11}  {word}  {took}", step.name()).trim_end());
    }
    terminal::line(&verdict(outcomes));
    let has_failed = |(_, outcome): &(Step, Outcome)| matches!(outcome, Outcome::Failed(_));
    if outcomes.iter().any(has_failed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The last line: how many steps passed, and the names of those that failed or did not run.
fn verdict(outcomes: &[(Step, Outcome)]) -> String {
    let names = |wanted: fn(&Outcome) -> bool| {
        let steps = outcomes.iter().filter(|(_, outcome)| wanted(outcome));
        steps.map(|(step, _)| step.name()).collect::<Vec<_>>()
    };
    let failed = names(|outcome| matches!(outcome, Outcome::Failed(_)));
    let not_run = names(|outcome| matches!(outcome, Outcome::NotRun));
    let passed = outcomes.len() - failed.len() - not_run.len();
    let mut verdict = format!("{passed} passed, {} failed", failed.len());
    if !failed.is_empty() {
        verdict.push_str(&format!(": {}", failed.join(", ")));
    }
    if !not_run.is_empty() {
        verdict.push_str(&format!("; not run: {}", not_run.join(", ")));
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_names_failed_and_skipped_steps() {
        let took = Duration::ZERO;
        let mut outcomes = vec![(Step::Fmt, Outcome::Passed(took))];
        assert_eq!(verdict(&outcomes), "1 passed, 0 failed");

        outcomes.push((Step::Unit, Outcome::Failed(took)));
        outcomes.push((Step::Prometheus, Outcome::Failed(took)));
        assert_eq!(verdict(&outcomes), "1 passed, 2 failed: unit, prometheus");

        outcomes.push((Step::Istio, Outcome::NotRun));
        assert_eq!(
            verdict(&outcomes),
            "1 passed, 2 failed: unit, prometheus; not run: istio"
        );
    }

    #[test]
    fn passing_step_shows_the_runners_closing_lines_only() {
        let transcript = "   Compiling wire\nrunning 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed\n";
        let shown: Vec<_> = closing_lines(transcript).collect();
        assert_eq!(shown, ["test result: ok. 1 passed; 0 failed"]);
    }
}
