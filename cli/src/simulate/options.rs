//! What `evenkeel simulate` takes.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::contender::Contender;
use super::scenario::Scenario;
use super::setup::Setup;
use crate::cli::usage;
use crate::span;

const EXAMPLES: &str = "\
Examples:
  evenkeel simulate
      Every scenario: nothing moved, recycling by age, and rebalancing side by side
  evenkeel simulate scale-out rolling-update --policy shop.json --pods 20 --connections 8000
      What shop.json would do to a service of that size, beside the three
  evenkeel simulate scale-out --policy a.json --policy b.json --only --html result.html
      Two policies against each other, with charts
  evenkeel simulate scale-out --seeds 5
      The same from five seeds: medians and ranges
  evenkeel simulate scale-out --pods 5000 --pods-after 10000 --connections 1000000 --seconds 60";

/// What a policy would do to a service: the module's own code on virtual time.
///
/// Without --policy three are compared: `none` moves nothing, `age` recycles every connection after ten
/// minutes, `rebalance` moves the surplus only.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What happens to the service; all of them if none is named
    #[arg(value_enum, value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
    /// A policy to compare; may be given several times
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Compare the named policies alone, without `none`, `age` and `rebalance`
    #[arg(long, requires = "policy")]
    only: bool,
    /// Pods before the change
    #[arg(long, value_name = "N", value_parser = count(1, 100_000))]
    pods: Option<u64>,
    /// Pods after the change; in pod-loss, those that are left
    #[arg(long, value_name = "N", value_parser = count(1, 100_000))]
    pods_after: Option<u64>,
    /// Connections that clients keep
    #[arg(long, value_name = "N", value_parser = count(1, 10_000_000))]
    connections: Option<u64>,
    /// How long it goes on after the change
    #[arg(long, value_name = "S", default_value_t = 3600, value_parser = count(1, 604_800))]
    seconds: u64,
    /// Another seed, another course of chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many seeds to play, from --seed on: the tables show medians, and from where to where they go
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count(1, 100))]
    pub(super) seeds: u64,
    /// Between two requests of a connection, on average
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = span::parse)]
    request_every: Duration,
    /// Before the change, connections open one after the other within this time
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = span::parse)]
    opened_over: Duration,
    /// From a pod's start until connections are sent to it
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = span::parse)]
    ready_after: Duration,
    /// From a connection's end until its client opens another one, half of it more or less
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = span::parse)]
    reconnect_after: Duration,
    /// The part of the messages between pods that is lost, from 0 to 1
    #[arg(long, value_name = "PART", default_value_t = 0.0, value_parser = part)]
    gossip_loss: f64,
    /// How late messages between pods come, at most
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = span::parse)]
    gossip_late: Duration,
    /// Also write the numbers there, as JSON
    #[arg(long, value_name = "PATH")]
    pub(super) json: Option<PathBuf>,
    /// Also draw the load of each pod over time there, as a page that needs nothing else
    #[arg(long, value_name = "PATH")]
    pub(super) html: Option<PathBuf>,
    /// Write the result into the block of docs/simulator.md
    #[arg(long, value_name = "PATH", hide = true)]
    pub(super) page: Option<PathBuf>,
}

impl Args {
    /// The services to simulate.
    ///
    /// # Errors
    /// A usage error when a scenario cannot be played with so many pods.
    pub(super) fn setups(&self) -> Result<Vec<Setup>> {
        let all = Scenario::value_variants();
        let scenarios = if self.scenarios.is_empty() {
            all
        } else {
            &self.scenarios
        };
        if self.request_every.is_zero() {
            return Err(usage("--request-every must be more than 0s".to_owned()));
        }
        scenarios
            .iter()
            .map(|scenario| self.setup(*scenario))
            .collect()
    }

    fn setup(&self, scenario: Scenario) -> Result<Setup> {
        let usual = Setup::new(scenario);
        let number = |stated: Option<u64>| stated.map(|number| number as usize);
        let pods = number(self.pods).unwrap_or(usual.pods);
        let after = number(self.pods_after).unwrap_or_else(|| scenario.after(pods));
        scenario.check(pods, after).map_err(usage)?;
        Ok(Setup {
            scenario,
            pods,
            after,
            connections: number(self.connections).unwrap_or(usual.connections),
            lasts: Duration::from_secs(self.seconds),
            seed: self.seed,
            request_every: self.request_every,
            opened_over: self.opened_over,
            ready_after: self.ready_after,
            reconnect_after: self.reconnect_after,
            gossip_loss: self.gossip_loss,
            gossip_late: self.gossip_late,
        })
    }

    /// The operator's policies.
    ///
    /// # Errors
    /// When a file cannot be read or is no policy.
    pub(super) fn contenders(&self) -> Result<Vec<Contender>> {
        self.policy
            .iter()
            .map(|path| Contender::read(path))
            .collect()
    }

    pub(super) fn compares_with_built_in(&self) -> bool {
        !self.only
    }
}

fn count(least: u64, most: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(least..=most)
}

fn part(text: &str) -> Result<f64, String> {
    let part = text.parse().ok().filter(|part| (0.0..=1.0).contains(part));
    part.ok_or_else(|| "it is a number from 0 to 1".to_owned())
}
