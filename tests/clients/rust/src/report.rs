//! Sends every request once, and reports the results.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Args;

/// Any error.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The versions that the programs were built with; the libraries do not report theirs.
const LOCK: &str = include_str!("../Cargo.lock");

/// Counts the connections of a client.
#[derive(Clone, Debug, Default)]
pub struct Opened(Arc<AtomicU64>);

impl Opened {
    /// One more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The line of JSON that a client prints.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    version: String,
    sent: u64,
    ok: u64,
    failed: u64,
    cancelled: u64,
    hung: u64,
    connections: Option<u64>,
    errors: BTreeMap<String, u64>,
}

/// Calls `send` with a clone of `client` for every number of a request, each once, in as many tasks as asked for. A
/// request that takes too long is dropped, which is how requests are cancelled in Rust.
pub async fn run<C, F>(
    args: Args,
    client: C,
    send: impl Fn(C, Arc<Args>, u64) -> F + Copy + Send + 'static,
) -> Report
where
    C: Clone + Send + 'static,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let (args, next) = (Arc::new(args), Arc::new(AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..args.concurrency {
        let (client, shared) = (client.clone(), Arc::clone(&args));
        let send = move |number| send(client.clone(), Arc::clone(&shared), number);
        workers.spawn(work(Arc::clone(&args), Arc::clone(&next), send));
    }
    let mut report = Report::default();
    for part in workers.join_all().await {
        report.add(part);
    }
    report
}

async fn work<F>(args: Arc<Args>, next: Arc<AtomicU64>, send: impl Fn(u64) -> F) -> Report
where
    F: Future<Output = Result<(), BoxError>>,
{
    let mut report = Report::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= args.requests {
            return report;
        }
        let began = Instant::now();
        let outcome = timeout(args.request_timeout(number), send(number)).await;
        let outcome = outcome.unwrap_or_else(|_| Err("given up".into()));
        report.count(&args, number, began.elapsed(), outcome);
        let pause = args.pause(report.sent);
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

impl Report {
    fn count(&mut self, args: &Args, number: u64, took: Duration, outcome: Result<(), BoxError>) {
        self.sent += 1;
        self.hung += u64::from(took >= Duration::from_millis(args.timeout / 2));
        match outcome {
            _ if args.cancelled(number) => self.cancelled += 1,
            Ok(()) => self.ok += 1,
            Err(error) => {
                self.failed += 1;
                *self.errors.entry(cause(&*error)).or_default() += 1;
            }
        }
    }

    fn add(&mut self, part: Self) {
        self.sent += part.sent;
        self.ok += part.ok;
        self.failed += part.failed;
        self.cancelled += part.cancelled;
        self.hung += part.hung;
        for (error, count) in part.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }

    /// Writes the line. `libraries` are the crates that matter, `NAME@` and how the version begins; `connections` None where the library does not
    /// tell.
    pub fn print(mut self, libraries: &[&str], connections: Option<u64>) {
        self.version = libraries
            .iter()
            .map(|name| version(name))
            .collect::<Vec<_>>()
            .join(", ");
        self.connections = connections;
        println!(
            "{}",
            serde_json::to_string(&self).expect("texts and numbers")
        );
    }
}

/// The error with its sources: the outermost text alone is not specific.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut inner = error.source();
    while let Some(error) = inner {
        texts.push(error.to_string());
        inner = error.source();
    }
    // Some errors repeat the text of their source.
    texts.dedup();
    texts.join(": ")
}

/// The version of a crate, of which there may be several: `hyper@1`.
fn version(library: &str) -> String {
    let (name, begins) = library.split_once('@').expect("NAME@VERSION");
    let (_, package) = LOCK
        .split_once(&format!("name = \"{name}\"\nversion = \"{begins}"))
        .unwrap_or_else(|| panic!("{library} is not in Cargo.lock"));
    let rest: String = package.chars().take_while(|&c| c != '"').collect();
    format!("{name} {begins}{rest}")
}
