//! The options of `evenkeel simulate`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::candidate::Candidate;
use super::scenario::Scenario;
use super::setup::Setup;
use crate::cli::usage;
use crate::span;

const EXAMPLES: &str = "\
Examples:
  evenkeel simulate
      Every scenario: nothing drained, recycling by age, and rebalancing side by side
  evenkeel simulate scale-out rolling-update --policy shop.json --pods 20 --connections 8000
      The effect of shop.json on a service of that size, beside the three built-in policies
  evenkeel simulate scale-out --policy a.json --policy b.json --only --html result.html
      Two policies in comparison, with charts
  evenkeel simulate scale-out --seeds 5
      Five seeds: medians and ranges
  evenkeel simulate scale-out --pods 5000 --pods-after 10000 --connections 1000000 --seconds 60";

/// Simulate the effect of a policy on a service: the module's own code on virtual time
///
/// Without --policy three policies are compared: `none` drains nothing, `age` recycles every connection after ten
/// minutes, `rebalance` drains the excess only.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The scenarios to simulate [default: all]
    #[arg(value_enum, value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
    /// A policy to compare; may be given several times
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Compare only the policies of --policy, without `none`, `age` and `rebalance`
    #[arg(long, requires = "policy")]
    only: bool,
    /// Pods before the change
    #[arg(long, value_name = "N", value_parser = count(1, 100_000))]
    pods: Option<u64>,
    /// Pods after the change; in pod-loss, the remaining ones
    #[arg(long, value_name = "N", value_parser = count(1, 100_000))]
    pods_after: Option<u64>,
    /// Client connections of the service
    #[arg(long, value_name = "N", value_parser = count(1, 10_000_000))]
    connections: Option<u64>,
    /// Simulated seconds after the change
    #[arg(long, value_name = "S", default_value_t = 3600, value_parser = count(1, 604_800))]
    seconds: u64,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Number of seeds to simulate, starting at --seed: the tables show medians and ranges
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count(1, 100))]
    pub(super) seeds: u64,
    /// Mean time between two requests on a connection
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = span::parse)]
    request_every: Duration,
    /// Time within which connections are opened, one after the other, before the change
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = span::parse)]
    opened_over: Duration,
    /// Time from a pod's start until it gets connections
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = span::parse)]
    ready_after: Duration,
    /// Time from a connection's end until its client reconnects, plus or minus half of it
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = span::parse)]
    reconnect_after: Duration,
    /// Fraction of the messages between pods that is lost, from 0 to 1
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = fraction)]
    gossip_loss: f64,
    /// Maximum delay of messages between pods
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = span::parse)]
    gossip_delay: Duration,
    /// Also write the results to this file, as JSON
    #[arg(long, value_name = "PATH")]
    pub(super) json: Option<PathBuf>,
    /// Also write charts of the load of each pod to this file, as a self-contained HTML page
    #[arg(long, value_name = "PATH")]
    pub(super) html: Option<PathBuf>,
    /// Write the result into the block of docs/simulator.md
    #[arg(long, value_name = "PATH", hide = true)]
    pub(super) page: Option<PathBuf>,
}

impl Args {
    /// Returns the services to simulate.
    ///
    /// # Errors
    /// A usage error when a scenario is not possible with so many pods.
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
            duration: Duration::from_secs(self.seconds),
            seed: self.seed,
            request_every: self.request_every,
            opened_over: self.opened_over,
            ready_after: self.ready_after,
            reconnect_after: self.reconnect_after,
            gossip_loss: self.gossip_loss,
            gossip_delay: self.gossip_delay,
        })
    }

    /// Reads the policies to compare.
    ///
    /// # Errors
    /// When a file cannot be read or is no policy.
    pub(super) fn candidates(&self) -> Result<Vec<Candidate>> {
        self.policy
            .iter()
            .map(|path| Candidate::read(path))
            .collect()
    }

    pub(super) fn compares_with_built_in(&self) -> bool {
        !self.only
    }
}

fn count(least: u64, most: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(least..=most)
}

fn fraction(text: &str) -> Result<f64, String> {
    let part = text.parse().ok().filter(|part| (0.0..=1.0).contains(part));
    part.ok_or_else(|| "it is a number from 0 to 1".to_owned())
}
