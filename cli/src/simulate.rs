//! `evenkeel simulate`: the effect of a policy on a service.
//!
//! Every simulated pod runs the code that the module runs in Envoy: the engine, the decision to rebalance, the
//! gossip between pods. What is simulated is the rest: time, clients, kube-proxy, pods that come and go.

mod chance;
mod chart;
mod client;
mod contender;
mod fleet;
mod gossip;
mod options;
mod outcome;
mod page;
mod pod;
mod progress;
mod queue;
mod scenario;
mod setup;
mod table;
#[cfg(test)]
mod tests;
mod timeline;
mod traffic;
mod world;

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, Result};
use evenkeel_report::terminal::{self, Style};

use contender::Contender;
pub use options::Args;
use outcome::Row;
use progress::Progress;
use setup::Setup;
use timeline::Timeline;
use world::World;

/// A scenario under all policies.
pub struct Comparison {
    pub setup: Setup,
    pub sides: Vec<Side>,
}

/// One policy's runs.
pub struct Side {
    /// Of the first seed.
    pub row: Row,
    /// Of every seed.
    pub rows: Vec<Row>,
    /// The policy, as it was written.
    pub text: String,
    /// Of the first seed.
    pub timeline: Timeline,
}

/// Runs every scenario under every policy and shows the results.
///
/// # Errors
/// When the command line or a policy is wrong, or a file cannot be read or written.
pub fn run(args: &Args) -> Result<()> {
    let stated = args.contenders()?;
    let mut games = Vec::new();
    for setup in args.setups()? {
        let mut contenders = Vec::new();
        if args.compares_with_built_in() {
            contenders.extend(Contender::built_in(setup.scenario.measure()));
        }
        contenders.extend(stated.iter().cloned());
        contender::check_names(&contenders)?;
        games.push((setup, contenders));
    }
    let mut shown = String::new();
    let comparisons = play(games, args.seeds, |comparison| {
        let (name, table) = (comparison.setup.scenario.name(), table::of(comparison));
        terminal::line(&format!(
            "{}\n{table}",
            terminal::styled(Style::Bold, &name)
        ));
        shown.push_str(&format!("{name}\n{table}\n"));
    });
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
        let page = shown_in(&page, &shown)
            .with_context(|| format!("{}: no block begins with {BLOCK:?}", path.display()))?;
        write(path, &page)?;
    }
    Ok(())
}

/// How the block of a Markdown page begins that shows what is printed.
const BLOCK: &str = "```text\n$ evenkeel simulate\n";

/// The page with `shown` in its block; None if it has none.
fn shown_in(page: &str, shown: &str) -> Option<String> {
    let (before, block) = page.split_once(BLOCK)?;
    let (_, after) = block.split_once("```")?;
    Some(format!("{before}{BLOCK}{shown}```{after}"))
}

/// Plays everything side by side, as runs share nothing. Each scenario is `shown` when it is over, in their order.
fn play(
    games: Vec<(Setup, Vec<Contender>)>,
    seeds: u64,
    mut shown: impl FnMut(&Comparison),
) -> Vec<Comparison> {
    let runs: usize = games.iter().map(|(_, contenders)| contenders.len()).sum();
    let runs = runs * seeds as usize;
    let progress = Progress::new(runs);
    thread::scope(|scope| {
        let mut playing = Vec::new();
        for (setup, contenders) in games {
            let start = |contender| {
                let (setup, progress) = (setup.clone(), &progress);
                scope.spawn(move || side(&setup, seeds, contender, progress))
            };
            let sides: Vec<_> = contenders.into_iter().map(start).collect();
            playing.push((setup, sides));
        }
        let over = |(setup, sides): (Setup, Vec<ScopedJoinHandle<Side>>)| {
            let sides = sides.into_iter();
            let sides = sides.map(|side| side.join().unwrap_or_else(|panic| resume_unwind(panic)));
            let comparison = Comparison {
                setup,
                sides: sides.collect(),
            };
            progress.make_way();
            shown(&comparison);
            comparison
        };
        playing.into_iter().map(over).collect()
    })
}

fn side(setup: &Setup, seeds: u64, contender: Contender, progress: &Progress) -> Side {
    let run = |setup: &Setup| {
        let timeline = World::new(setup, &contender.policy()).run(|_, of| progress.second(of));
        (Row::of(setup, &contender.name, &timeline), timeline)
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
        text: contender.text,
        timeline,
    }
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
