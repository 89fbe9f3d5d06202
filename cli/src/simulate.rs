//! `evenkeel simulate`: the effect of a policy on a service.
//!
//! Every simulated pod runs the code that the module runs in Envoy: the engine, rebalancing and gossip. Time, clients,
//! kube-proxy and changes of pods are simulated.

mod candidate;
mod chart;
mod client;
mod fleet;
mod gossip;
mod options;
mod outcome;
mod page;
mod pod;
mod progress;
mod queue;
mod random;
mod scenario;
mod setup;
mod table;
#[cfg(test)]
mod tests;
mod timeline;
mod traffic;
mod world;

use std::ffi::OsString;
use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, Result};
use clap::Parser;
use evenkeel_report::terminal::{self, Style};

use candidate::Candidate;
pub use options::Args;
pub use outcome::Row;
use progress::Progress;
use setup::Setup;
use timeline::Timeline;
use world::World;

/// A scenario under all policies.
pub struct Comparison {
    pub setup: Setup,
    pub sides: Vec<Side>,
}

/// The runs of one policy.
pub struct Side {
    /// The result with the first seed.
    pub row: Row,
    /// The results with every seed.
    pub rows: Vec<Row>,
    /// The text of the policy.
    pub text: String,
    /// The timeline with the first seed.
    pub timeline: Timeline,
}

/// Runs every scenario under every policy and shows the results.
///
/// # Errors
/// When the command line or a policy is wrong, or a file cannot be read or written.
pub fn run(args: &Args) -> Result<()> {
    let mut shown = String::new();
    let comparisons = compare(args, |comparison| {
        let (name, table) = (comparison.setup.scenario.name(), table::of(comparison));
        terminal::line(&format!(
            "{}\n{table}",
            terminal::styled(Style::Bold, &name)
        ));
        shown.push_str(&format!("{name}\n{table}\n"));
    })?;
    let legend = table::legend(&comparisons);
    terminal::line(&legend);
    shown.push_str(&(legend + "\n"));
    if let Some(path) = &args.json {
        let rows: Vec<&Row> = comparisons
            .iter()
            .flat_map(|comparison| comparison.sides.iter().flat_map(|side| &side.rows))
            .collect();
        write(path, &(serde_json::to_string_pretty(&rows)? + "\n"))?;
    }
    if let Some(path) = &args.html {
        write(path, &page::render(&comparisons))?;
    }
    if let Some(path) = &args.page {
        let page =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let page = replace_block(&page, &shown)
            .with_context(|| format!("{}: no block begins with {BLOCK:?}", path.display()))?;
        write(path, &page)?;
    }
    Ok(())
}

/// Runs every scenario under every policy. Calls `shown` for each scenario when it is complete.
fn compare(args: &Args, shown: impl FnMut(&Comparison)) -> Result<Vec<Comparison>> {
    let given = args.candidates()?;
    let mut setups = Vec::new();
    for setup in args.setups()? {
        let mut candidates = Vec::new();
        if args.compares_with_built_in() {
            candidates.extend(Candidate::built_in(setup.scenario.measure()));
        }
        candidates.extend(given.iter().cloned());
        candidate::check_names(&candidates)?;
        setups.push((setup, candidates));
    }
    Ok(run_all(setups, args.seeds, shown))
}

/// Returns the result of every run of `evenkeel simulate` with these arguments, for tests that compare it with a measurement.
///
/// # Errors
/// As `run`.
pub fn simulated<T: Into<OsString> + Clone>(args: impl IntoIterator<Item = T>) -> Result<Vec<Row>> {
    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let comparisons = compare(&Line::try_parse_from(args)?.args, |_| {})?;
    let sides = comparisons
        .into_iter()
        .flat_map(|comparison| comparison.sides);
    Ok(sides.flat_map(|side| side.rows).collect())
}

/// The beginning of the block of a Markdown page that shows the output.
const BLOCK: &str = "```text\n$ evenkeel simulate\n";

/// Returns the page with `shown` in its block; None if it has no such block.
fn replace_block(page: &str, shown: &str) -> Option<String> {
    let (before, block) = page.split_once(BLOCK)?;
    let (_, after) = block.split_once("```")?;
    Some(format!("{before}{BLOCK}{shown}```{after}"))
}

/// Runs every policy in every setup in parallel. Calls `shown` for each setup when it is complete, in their order.
fn run_all(
    setups: Vec<(Setup, Vec<Candidate>)>,
    seeds: u64,
    mut shown: impl FnMut(&Comparison),
) -> Vec<Comparison> {
    let runs: usize = setups.iter().map(|(_, candidates)| candidates.len()).sum();
    let runs = runs * seeds as usize;
    let progress = Progress::new(runs);
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (setup, candidates) in setups {
            let start = |candidate| {
                let (setup, progress) = (setup.clone(), &progress);
                scope.spawn(move || run_side(&setup, seeds, candidate, progress))
            };
            let sides: Vec<_> = candidates.into_iter().map(start).collect();
            running.push((setup, sides));
        }
        let join = |(setup, sides): (Setup, Vec<ScopedJoinHandle<Side>>)| {
            let sides = sides.into_iter();
            let sides = sides.map(|side| side.join().unwrap_or_else(|panic| resume_unwind(panic)));
            let comparison = Comparison {
                setup,
                sides: sides.collect(),
            };
            progress.clear();
            shown(&comparison);
            comparison
        };
        running.into_iter().map(join).collect()
    })
}

fn run_side(setup: &Setup, seeds: u64, candidate: Candidate, progress: &Progress) -> Side {
    let run = |setup: &Setup| {
        let timeline = World::new(setup, &candidate.policy()).run(|_, of| progress.advance(of));
        (Row::of(setup, &candidate.name, &timeline), timeline)
    };
    let (row, timeline) = run(setup);
    let mut rows = vec![row.clone()];
    for seed in (setup.seed..).take(seeds as usize).skip(1) {
        let setup = Setup {
            seed,
            ..setup.clone()
        };
        rows.push(run(&setup).0);
    }
    Side {
        row,
        rows,
        text: candidate.text,
        timeline,
    }
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
