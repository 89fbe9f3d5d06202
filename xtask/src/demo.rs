//! The demo: the imbalance of long-lived connections in real Envoys, without and with the module.
//!
//! Before and after are the same Envoys, backends and clients. They differ in one thing: before, clients use a
//! listener without the module; after, one with it. The scenarios of rebalancing have a third side, which only
//! recycles by age.

mod chart;
mod database;
mod gateway;
mod outcome;
mod page;
pub mod readme;
mod rebalancing;
mod scale_out;
mod seeds;
mod site;
mod summary;
mod three_routers;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use evenkeel_report::terminal;
use serde::Serialize;

use outcome::Scenario;
use rebalancing::{RebalancingScenario, Run};
use seeds::Seeds;
use site::Site;

/// The options of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Also write the results to this file, as JSON
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Write the page with charts to this file [default: demo/index.html in the target directory]
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
    /// Write the data of the chart in README.md to this file
    #[arg(long, value_name = "PATH")]
    chart_data: Option<PathBuf>,
    /// Fewer and shorter runs: about two minutes
    #[arg(long)]
    quick: bool,
    /// The first seed of the random numbers
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// The number of seeds of the rebalancing scenarios [default: 5; with --quick 2]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
}

/// The programs that the demo runs.
pub struct Tools {
    /// A stock Envoy.
    pub envoy: PathBuf,
    /// The built module.
    pub module: PathBuf,
}

/// The results of all scenarios.
struct Results {
    seeds: Seeds,
    scenarios: Vec<Scenario>,
    rebalancing: Vec<RebalancingScenario>,
}

/// An entry of the list that `--json` writes.
#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Scenario(&'a Scenario),
    Run(&'a Run),
}

/// Runs every scenario, then prints a table and writes a page below `target`.
///
/// # Errors
/// When an Envoy does not run, a file cannot be written, or a request failed with the module.
pub fn run(args: &Args, tools: &Tools, target: &Path) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the demo's clients")?;
    let results = runtime.block_on(measure(tools, args.quick, args.seeds()))?;

    let page = match &args.html {
        Some(path) => path.clone(),
        None => target.join("demo/index.html"),
    };
    write(&page, &page::render(&results))?;
    if let Some(json) = &args.json {
        let numbers = serde_json::to_string_pretty(&results.numbers())?;
        write(json, &format!("{numbers}\n"))?;
    }
    if let Some(path) = &args.chart_data
        && let Some(data) = results.rebalancing.first().and_then(readme::Data::of)
    {
        write(path, &data.to_json()?)?;
    }
    summary::print(&results);
    terminal::line(&format!("Charts: {}", page.display()));

    let failed = results.failed();
    if failed > 0 {
        bail!("{failed} requests failed with the module; there must be none");
    }
    Ok(())
}

async fn measure(tools: &Tools, quick: bool, seeds: Seeds) -> Result<Results> {
    let seed = seeds.first();
    terminal::note(&format!("Seed {seed} (--seed)"));
    terminal::note(&format!("Starting {} Envoys", scale_out::BACKENDS));
    let site = Site::start(tools, scale_out::BACKENDS).await?;
    let mut scenarios = three_routers::measure(&site, quick, seed).await?;
    scenarios.extend(scale_out::measure(&site, quick, seed).await?);
    drop(site);
    scenarios.push(gateway::measure(tools, quick, seed).await?);
    scenarios.extend(database::measure(tools, quick, seed).await?);
    let rebalancing = rebalancing::measure(tools, quick, seeds).await?;
    Ok(Results {
        seeds,
        scenarios,
        rebalancing,
    })
}

impl Args {
    fn seeds(&self) -> Seeds {
        let count = self.seeds.unwrap_or(if self.quick { 2 } else { 5 });
        Seeds::new(self.seed, count)
    }
}

impl Results {
    /// Lists the numbers of each scenario, of those of rebalancing with each seed.
    fn numbers(&self) -> Vec<Numbers<'_>> {
        let scenarios = self.scenarios.iter().map(Numbers::Scenario);
        let runs = self.rebalancing.iter().flat_map(|scenario| &scenario.runs);
        scenarios.chain(runs.map(Numbers::Run)).collect()
    }

    /// Returns the number of requests that failed with the module.
    fn failed(&self) -> u64 {
        let scenarios = self.scenarios.iter().map(|scenario| scenario.after.failed);
        let rebalancing = self.rebalancing.iter().map(RebalancingScenario::failed);
        scenarios.chain(rebalancing).sum()
    }
}

fn write(path: &Path, content: &str) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
