//! `cargo xtask clients` and `cargo xtask storm`: the matrix of clients, or a selection.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use evenkeel_report::terminal;
use evenkeel_test_clients::fingerprint::Fingerprint;
use evenkeel_test_clients::matrix::Matrix;
use evenkeel_test_clients::outcome::Outcome;
use evenkeel_test_clients::{
    Against, Client, Language, Pattern, Protocol, Recycle, page, selection, table,
};

/// Run real clients against a proxy that drains their connections, and report lost requests
#[derive(Parser)]
struct Args {
    /// The clients, such as httpx or httpx-h2 [default: all]
    names: Vec<String>,
    /// Requests per client and pattern; fewer for expensive patterns [default: 10000; storm: 100000, and 1000000 for curl, Go, Rust and Envoy]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Run only these patterns, such as get, post-16 or upload
    #[arg(long = "pattern", value_name = "PATTERN", value_delimiter = ',')]
    patterns: Vec<String>,
    /// The proxy that drains the connections; several are compared
    #[arg(long, value_enum, value_delimiter = ',', default_value = "evenkeel")]
    against: Vec<Against>,
    /// The limit that drains [default: requests; storm: requests,age]
    #[arg(long, value_enum, value_delimiter = ',')]
    recycle: Vec<Recycle>,
    /// Many requests, to find losses as rare as one in 100,000; with concurrency 1 and 16
    #[arg(long)]
    storm: bool,
    /// Run the selection of CI: every client and every pattern, but not every combination
    #[arg(long, conflicts_with_all = ["storm", "patterns"])]
    ci: bool,
    /// Print the first frames of each HTTP/2 client instead of running the matrix
    #[arg(long, conflicts_with_all = ["storm", "ci"])]
    fingerprints: bool,
    /// Clients to run in parallel; as many that mostly wait run beside them
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Also write the rows to this file, as JSON
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Also write the losses per client and proxy to this file, as Markdown
    #[arg(long, value_name = "PATH")]
    page: Option<PathBuf>,
}

/// How many requests a client sends in a storm, over both of its patterns.
const STORM: u64 = 100_000;
const GREAT_STORM: u64 = 1_000_000;

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    Pattern::check(&args.patterns)?;
    if args.fingerprints {
        return fingerprints(args).await;
    }
    let mut matrix = Matrix::default();
    for client in Client::named(&args.names)? {
        // A variant behaves as its library: its patterns in CI show whether it is recognized.
        let is_left_out = (args.storm && client.variant)
            || ((args.storm || args.ci) && !selection::includes(&client));
        if args.names.is_empty() && is_left_out {
            continue;
        }
        if args.ci {
            let mut add = |patterns: &[String], against| {
                let requests = requests(args, &client);
                matrix.add(client, patterns, requests, against, Recycle::Requests);
            };
            add(&selection::references(&client), Against::None);
            for against in selection::alternatives(&client) {
                add(&["get".to_owned()], *against);
            }
        }
        for against in &args.against {
            for recycle in recycles(args) {
                let patterns = patterns(args, &client);
                matrix.add(
                    client,
                    &patterns,
                    requests(args, &client),
                    *against,
                    recycle,
                );
            }
        }
    }
    matrix.add_references();
    let outcome = matrix
        .run(args.jobs.into(), |row| {
            terminal::note(&table::line_of(row));
        })
        .await?;
    println!("\n{}", table::render(&outcome.rows));
    write(args, &outcome)?;
    outcome.check()
}

fn recycles(args: &Args) -> Vec<Recycle> {
    match (args.recycle.as_slice(), args.storm) {
        ([], true) => vec![Recycle::Requests, Recycle::Age],
        ([], false) => vec![Recycle::Requests],
        (chosen, _) => chosen.to_vec(),
    }
}

async fn fingerprints(args: &Args) -> Result<()> {
    for client in Client::named(&args.names)? {
        if Fingerprint::has(&client) {
            let program = client.language.program(client.program, terminal::note)?;
            println!(
                "{}: {}",
                client.name,
                Fingerprint::of(&client, &program).await?
            );
        }
    }
    Ok(())
}

fn patterns(args: &Args, client: &Client) -> Vec<String> {
    if args.ci {
        return selection::patterns(client);
    }
    if !args.patterns.is_empty() || !args.storm {
        return args.patterns.clone();
    }
    let names: &[&str] = match client.protocol {
        Protocol::Http1 | Protocol::Http2 => &["get", "post-16"],
        Protocol::Grpc => &["unary", "unary-16"],
        Protocol::WebSocket => &["messages"],
    };
    names.iter().map(ToString::to_string).collect()
}

fn requests(args: &Args, client: &Client) -> u64 {
    let default = if !args.storm {
        10_000
    } else if client.protocol == Protocol::WebSocket {
        // They have one pattern, in which one message counts for ten.
        10 * STORM
    } else if client.name.starts_with("curl")
        || matches!(client.language, Language::Go | Language::Rust)
    {
        GREAT_STORM / 2
    } else {
        STORM / 2
    };
    args.requests.unwrap_or(default)
}

fn write(args: &Args, outcome: &Outcome) -> Result<()> {
    let unwritable = |path: &Path| format!("cannot write {}", path.display());
    if let Some(path) = &args.json {
        let json = format!("{}\n", serde_json::to_string_pretty(&outcome.rows)?);
        fs::write(path, json).with_context(|| unwritable(path))?;
    }
    if let Some(path) = &args.page {
        let flags: Vec<_> = env::args().skip(1).collect();
        let command = format!("cargo xtask clients {}", flags.join(" "));
        fs::write(path, page::render(&outcome.rows, &command)).with_context(|| unwritable(path))?;
    }
    Ok(())
}
