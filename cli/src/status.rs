//! `evenkeel status`: what Evenkeel does in a proxy, from the proxy's metrics.

mod evenness;
mod finding;
mod numbers;
mod page;
mod pod;
mod source;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use evenkeel_report::terminal;
use serde::Serialize;

use evenness::Evenness;
use numbers::Numbers;
use pod::Pod;
use source::Source;

const EXAMPLES: &str = "\
Examples:
  evenkeel status http://127.0.0.1:15000
      Envoy's admin interface, in istio-proxy too (istioctl dashboard envoy, kubectl port-forward)
  evenkeel status http://10.0.0.7:15090 http://10.0.0.8:15090 http://10.0.0.9:15090
      Compare the pods of one service: are their connections balanced?
  evenkeel status --watch=5 http://127.0.0.1:15000
      Every five seconds, with rates
  kubectl exec POD -c istio-proxy -- pilot-agent request GET stats/prometheus | evenkeel status -
      From standard input

Exit codes:
  0  no problems
  1  a problem was found, or a proxy cannot be read
  2  the command line is wrong";

/// Show from metrics what Evenkeel does in a proxy, and whether connections are balanced
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The address of Envoy's admin interface or of its metrics, a file with metrics, or `-`; several are pods of one service
    #[arg(required = true, value_name = "URL|FILE")]
    sources: Vec<String>,
    /// Read again every SECONDS [default: 2], and show rates
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
    /// Stop after N reads
    #[arg(long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Human-readable text
    Text,
    /// Machine-readable JSON, one object per read
    Json,
}

/// The result of one read.
#[derive(Serialize)]
struct Report {
    /// The pods that could be read.
    pods: Vec<Pod>,
    /// How even the loads of the pods are; None for one pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    evenness: Option<Evenness>,
    /// Why other pods could not be read.
    errors: Vec<String>,
}

/// The previous numbers of a pod, and when they were read.
type PreviousRead = Option<(Instant, Numbers)>;

/// Reads metrics and prints the result.
///
/// # Errors
/// When no proxy can be read.
pub fn run(args: &Args) -> Result<ExitCode> {
    let sources = args
        .sources
        .iter()
        .map(|source| Source::of(source))
        .collect::<Result<Vec<_>>>()?;
    let mut previous: Vec<PreviousRead> = sources.iter().map(|_| None).collect();
    let mut has_no_problem = true;
    for read in 1.. {
        let report = report(&sources, &mut previous);
        if report.pods.is_empty() && (args.watch.is_none() || read == 1) {
            let mut errors = report.errors.into_iter();
            let first = errors.next().unwrap_or_default();
            errors.for_each(|error| terminal::note(&error));
            return Err(anyhow::Error::msg(first));
        }
        has_no_problem = report.has_no_problem();
        match args.format {
            Format::Json => terminal::line(&serde_json::to_string(&report)?),
            Format::Text => {
                if args.watch.is_some() {
                    terminal::clear();
                }
                terminal::line(&page::page(&report));
            }
        }
        match args.watch {
            Some(seconds) if args.count != Some(read) => {
                thread::sleep(Duration::from_secs(seconds));
            }
            _ => break,
        }
    }
    Ok(if has_no_problem {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns the text for these sources, read once, and whether there are no problems.
///
/// # Errors
/// When a source is invalid. Sources that cannot be read are in the text.
pub fn describe_status(sources: &[&str]) -> Result<(String, bool)> {
    let sources = sources
        .iter()
        .map(|source| Source::of(source))
        .collect::<Result<Vec<_>>>()?;
    let mut previous: Vec<PreviousRead> = sources.iter().map(|_| None).collect();
    let report = report(&sources, &mut previous);
    Ok((page::page(&report), report.has_no_problem()))
}

fn report(sources: &[Source], previous: &mut [PreviousRead]) -> Report {
    let (mut pods, mut errors) = (Vec::new(), Vec::new());
    for (source, previous) in sources.iter().zip(previous) {
        match read(source) {
            Ok(numbers) => {
                let now = Instant::now();
                let since = previous
                    .as_ref()
                    .map(|(then, numbers)| (now.duration_since(*then), numbers));
                pods.push(Pod::new(source.to_string(), &numbers, since));
                *previous = Some((now, numbers));
            }
            Err(error) => {
                errors.push(format!("{error:#}"));
                *previous = None;
            }
        }
    }
    // Without a rule there are no loads; connections are compared.
    let any_load = pods.iter().any(|pod| pod.load > 0.0);
    let loads = pods.iter().map(|pod| {
        let load = if any_load { pod.load } else { pod.connections };
        (pod.source.clone(), load)
    });
    let evenness = (pods.len() > 1).then(|| Evenness::of("connections", loads));
    Report {
        pods,
        evenness,
        errors,
    }
}

fn read(source: &Source) -> Result<Numbers> {
    let text = source.read()?;
    Numbers::parse(&text).with_context(|| source.to_string())
}

impl Report {
    fn has_no_problem(&self) -> bool {
        self.errors.is_empty() && self.pods.iter().all(Pod::has_no_problem)
    }
}
