//! `cargo run -p evenkeel-test-clients`: the matrix, or some of its rows.

use std::env;
use std::fs;
use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use evenkeel_test_clients::{Against, Client, Load, Method, Row, run, table};

/// Sends real clients through an Envoy that moves their connections after every second request.
#[derive(Parser)]
struct Args {
    /// Which clients, such as httpx or httpx-h2; none named means all
    names: Vec<String>,
    /// How many requests each client sends
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// How many of them at a time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    concurrency: u64,
    /// The method of every request
    #[arg(long, default_value = "GET")]
    method: Method,
    /// What moves the connections
    #[arg(long, default_value = "evenkeel")]
    against: Against,
    /// Also write the rows there, as JSON
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match matrix(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn matrix(args: &Args) -> Result<()> {
    let load = Load {
        method: args.method,
        requests: args.requests,
        concurrency: args.concurrency,
    };
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    let mut broken = Ok(());
    for client in Client::named(&args.names)? {
        if client.language.version().is_none() {
            let language = client.language.name();
            eprintln!("{}: not run: {language} is not installed", client.name);
            missing.push(client.name);
            continue;
        }
        match row(client, load, args.against).await {
            Ok(row) => rows.push(row),
            Err(error) => {
                broken = Err(error);
                break;
            }
        }
    }
    // What has run is shown, whatever became of the rest.
    print!("{}", table::render(&rows));
    if let Some(path) = &args.json {
        let json = format!("{}\n", serde_json::to_string_pretty(&rows)?);
        fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    broken?;
    judge(args.against, &rows, &missing)
}

async fn row(client: Client, load: Load, against: Against) -> Result<Row> {
    let note = |text: &str| eprintln!("{text}");
    let program = client.language.program(client.program, note)?;
    let progress = |done: u64| status(&format!("{}: {done} of {}", client.name, load.requests));
    let row = run(client, &program, load, against, progress).await;
    status("");
    row
}

fn judge(against: Against, rows: &[Row], missing: &[&str]) -> Result<()> {
    if !missing.is_empty() && env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        bail!(
            "not run: {}; where CI is set, every client must",
            missing.join(", ")
        );
    }
    let harmed: Vec<_> = rows
        .iter()
        .filter(|row| !row.is_whole())
        .map(|row| row.client)
        .collect();
    if against == Against::Evenkeel && !harmed.is_empty() {
        bail!(
            "requests were lost, cut or executed twice: {}",
            harmed.join(", ")
        );
    }
    Ok(())
}

/// One line that the next one replaces; on a terminal only.
fn status(text: &str) {
    if stderr().is_terminal() {
        // Progress that cannot be shown is no failure of the run.
        let _ = write!(stderr(), "\r\x1b[K{text}");
    }
}
