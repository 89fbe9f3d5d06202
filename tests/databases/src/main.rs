//! `evenkeel-test-databases`: runs real clients against real servers and compares what closes their connections.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use evenkeel_test_databases::{
    Client, Contender, Results, Run, System, judge, render_page, render_table,
};
use evenkeel_test_tasks::Tasks;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

/// Run real database and broker clients through an Envoy that closes connections, and report what they lost
#[derive(Parser)]
struct Args {
    /// The databases and brokers [default: all that share sessions]
    #[arg(value_enum)]
    systems: Vec<System>,
    /// Only these clients, such as psycopg
    #[arg(long = "client", value_name = "CLIENT", value_delimiter = ',')]
    clients: Vec<String>,
    /// What closes the connections; several are compared
    #[arg(
        long = "contender",
        value_enum,
        value_delimiter = ',',
        default_value = "none,duration,raw,protocol,rebalance"
    )]
    contenders: Vec<Contender>,
    /// How long each client starts operations
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// The age in seconds at which connections are closed or drained
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    age: u16,
    /// Runs at the same time, each with its own servers and proxy
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: u16,
    /// Also write the results to this file, as JSON
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Also write the comparison to this file, as Markdown
    #[arg(long, value_name = "PATH")]
    page: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    // A signal ends the run as an error does: servers and clients end with their owners.
    let args = Args::parse();
    let outcome = tokio::select! {
        outcome = run(&args) => outcome,
        error = interrupted() => error,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    bail!("interrupted")
}

async fn run(args: &Args) -> Result<()> {
    let systems = if args.systems.is_empty() {
        let all = System::ALL.into_iter();
        all.filter(|system| system.shares_sessions()).collect()
    } else {
        args.systems.clone()
    };
    let mut missing = Vec::new();
    let mut clients = Vec::new();
    for client in Client::select(&systems, &args.clients)? {
        match client.missing() {
            None => clients.push(client),
            Some(program) => missing.push(format!(
                "not run: {}: {program} is not installed",
                client.name
            )),
        }
    }
    let (mut results, failures) = run_all(&systems, &clients, args).await?;
    results.sort();
    println!("{}", render_table(&results));
    write(args, &results)?;
    if !failures.is_empty() {
        bail!("{} runs failed\n{}", failures.len(), failures.join("\n"));
    }
    println!("databases: {}", judge(&results)?);
    if !missing.is_empty() {
        println!("{}", missing.join("\n"));
        if env::var_os("CI").is_some_and(|value| !value.is_empty()) {
            bail!("with CI set, every client must be available");
        }
    }
    Ok(())
}

/// Runs every system under every contender, `--jobs` at a time: the clients are idle most of the time. Returns the
/// results of the runs that succeeded, and why the others failed.
async fn run_all(
    systems: &[System],
    clients: &[Client],
    args: &Args,
) -> Result<(Results, Vec<String>)> {
    let slots = Arc::new(Semaphore::new(args.jobs.into()));
    let mut tasks = Tasks::new();
    for system in systems {
        let own = clients.iter().filter(|client| client.system == *system);
        let own: Vec<_> = own.copied().collect();
        for contender in &args.contenders {
            if own.is_empty() || !system.has(*contender) {
                continue;
            }
            let run = Run {
                system: *system,
                contender: *contender,
                clients: own.clone(),
                duration: Duration::from_secs(args.seconds.into()),
                age: Duration::from_secs(args.age.into()),
            };
            let slots = Arc::clone(&slots);
            tasks.spawn(async move {
                let _slot = slots.acquire().await?;
                let what = format!("{} under {}", run.system.name(), run.contender.name());
                let results = run.results().await.with_context(|| what.clone())?;
                eprintln!("{what}: done");
                Ok::<_, anyhow::Error>(results)
            });
        }
    }
    let mut results = Results::default();
    let mut failures = Vec::new();
    while let Some(result) = tasks.next().await {
        match result {
            Ok(own) => results.extend(own),
            Err(error) => {
                eprintln!("error: {error:#}");
                failures.push(format!("{error:#}"));
            }
        }
    }
    Ok((results, failures))
}

fn write(args: &Args, results: &Results) -> Result<()> {
    let unwritable = |path: &Path| format!("cannot write {}", path.display());
    if let Some(path) = &args.json {
        let json = format!("{}\n", serde_json::to_string_pretty(results)?);
        fs::write(path, json).with_context(|| unwritable(path))?;
    }
    if let Some(path) = &args.page {
        let flags: Vec<_> = env::args().skip(1).collect();
        let command = format!("cargo xtask databases {}", flags.join(" "));
        fs::write(path, render_page(results, &command)).with_context(|| unwritable(path))?;
    }
    Ok(())
}
