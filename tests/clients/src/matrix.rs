//! Many runs: which there are, several at a time, with progress, and what is to be said of their outcome.

use std::collections::BTreeMap;
use std::env;
use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow, bail};
use futures_util::{StreamExt, stream};

use crate::client::Client;
use crate::known;
use crate::language::Program;
use crate::pattern::Pattern;
use crate::recycle::Recycle;
use crate::row::Row;
use crate::run::{Run, Stage};
use crate::site::Against;

/// One cause breaks many runs: the first tell it.
const BROKEN_SHOWN: usize = 5;

/// The runs that were chosen, and what this machine cannot run.
#[derive(Debug, Default)]
pub struct Matrix {
    runs: Vec<Run>,
    missing: BTreeMap<String, Vec<String>>,
    lacks_language: bool,
}

/// What came of a matrix.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The rows, in the order of their runs.
    pub rows: Vec<Row>,
    /// The runs that came to no row, with why.
    pub broken: Vec<String>,
    /// The runs that came to no row for a reason that is known.
    pub excused: Vec<String>,
    /// What could not run, by what it needs.
    pub missing: BTreeMap<String, Vec<String>>,
    /// A language is among that.
    pub lacks_language: bool,
}

impl Matrix {
    /// Adds every pattern of these names (none: all) of a client, with a number of requests each that is fit
    /// for its weight. What the machine cannot run is remembered as missing.
    pub fn add(
        &mut self,
        client: Client,
        patterns: &[String],
        requests: u64,
        against: Against,
        recycle: Recycle,
    ) {
        if let Some(missing) = against.missing() {
            self.lacks(missing, against.name());
            return;
        }
        if client.language.version().is_none() {
            self.lacks_language = true;
            let language = client.language.name();
            self.lacks(format!("{language} is not installed"), client.name);
            return;
        }
        if let Some(missing) = client.missing() {
            self.lacks(missing, client.name);
            return;
        }
        let chosen = |pattern: &&Pattern| {
            let named = patterns.iter().any(|name| name == pattern.name);
            (patterns.is_empty() || named)
                && against.serves(client.protocol, pattern)
                && client.via.is_none_or(|via| via.passes(pattern))
        };
        for pattern in Pattern::of(client.protocol).iter().filter(chosen) {
            self.runs.push(Run {
                client,
                pattern: *pattern,
                requests: pattern.share(requests),
                against,
                recycle,
            });
        }
    }

    fn lacks(&mut self, what: String, who: &str) {
        let whose = self.missing.entry(what).or_default();
        if !whose.iter().any(|name| name == who) {
            whose.push(who.to_owned());
        }
    }

    /// Runs all, `jobs` at a time. `done` is told each row as it comes.
    ///
    /// # Errors
    /// When a client's program cannot be provisioned. A run that breaks is told in the outcome.
    pub async fn run(self, jobs: usize, done: impl Fn(&Row)) -> Result<Outcome> {
        let mut programs: BTreeMap<&str, Program> = BTreeMap::new();
        for run in &self.runs {
            let client = run.client;
            if !programs.contains_key(client.name) {
                let program = client.language.program(client.program, say)?;
                programs.insert(client.name, program);
            }
        }
        let status = Status::new(self.runs.len());
        let (status, programs, done) = (&status, &programs, &done);
        let numbered: Vec<_> = self.runs.into_iter().enumerate().collect();
        let stages = numbered.chunk_by(|(_, run), (_, next)| run.shares_stage(next));
        let mut ended: Vec<_> = stream::iter(stages)
            .map(async |runs| {
                let mut ended = Vec::new();
                let stage = Stage::start(&runs[0].1).await;
                for (place, run) in runs {
                    let row = match &stage {
                        Ok(stage) => {
                            let progress = |n| status.at(*place, run, n);
                            run.row(&programs[run.client.name], stage, progress).await
                        }
                        Err(error) => Err(anyhow!("{error:#}")),
                    };
                    status.over(*place);
                    if let Ok(Some(row)) = &row {
                        done(row);
                    }
                    ended.push((*place, *run, row));
                }
                ended
            })
            .buffer_unordered(jobs)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .flatten()
            .collect();
        ended.sort_by_key(|(place, ..)| *place);
        let mut outcome = Outcome {
            missing: self.missing,
            lacks_language: self.lacks_language,
            ..Outcome::default()
        };
        for (_, run, row) in ended {
            match row {
                Ok(row) => outcome.rows.extend(row),
                // Who is known to fail is known to hang, too.
                Err(error) if known::reason(run.client.name, run.pattern.name).is_some() => {
                    outcome.excused.push(format!(
                        "{} ({}): {error:#}",
                        run.client.name, run.pattern.name
                    ));
                }
                Err(error) => outcome.broken.push(format!(
                    "{} ({}, against {}): {error:#}",
                    run.client.name,
                    run.pattern.name,
                    run.against.name()
                )),
            }
        }
        Ok(outcome)
    }
}

impl Outcome {
    /// Says what the table does not, and whether all is well: where the module ended the connections, no
    /// request may be lost, and the client must be known for what it is.
    ///
    /// # Errors
    /// When something is not well, and, where `CI` is set, when a language is not there.
    pub fn judge(&self) -> Result<()> {
        for (what, whose) in &self.missing {
            println!("not run: {}: {what}", whose.join(", "));
        }
        for excused in &self.excused {
            println!("{excused}");
        }
        println!("{}", self.summary());
        let ours = || {
            self.rows
                .iter()
                .filter(|row| row.against == Against::Evenkeel)
        };
        let mut harmed = Vec::new();
        for row in ours().filter(|row| !row.is_whole()) {
            match known::reason(row.client, row.pattern) {
                Some(reason) => println!("{} ({}): {reason}", row.client, row.pattern),
                None => harmed.push(format!("{} ({})", row.client, row.pattern)),
            }
        }
        let strangers: Vec<_> = ours()
            .filter(|row| !row.is_recognised())
            .map(|row| {
                format!(
                    "{} ({}): taken for {:?}",
                    row.client,
                    row.version,
                    row.families.keys()
                )
            })
            .collect();
        let unmoved: Vec<_> = ours()
            .filter(|row| !row.is_moved() && !known::moves_late(row.client))
            .map(|row| format!("{} ({})", row.client, row.pattern))
            .collect();
        if !self.broken.is_empty() {
            let shown = self.broken.len().min(BROKEN_SHOWN);
            bail!(
                "{} runs broke off:\n{}",
                self.broken.len(),
                self.broken[..shown].join("\n")
            );
        }
        if !harmed.is_empty() {
            bail!(
                "requests were lost, cut or executed twice: {}",
                harmed.join(", ")
            );
        }
        if !unmoved.is_empty() {
            bail!(
                "connections were not ended, so that nothing is proved: {}",
                unmoved.join(", ")
            );
        }
        if !strangers.is_empty() {
            bail!(
                "clients that filter/wire/src/h2/client.rs no longer knows by their first frames:\n{}",
                strangers.join("\n")
            );
        }
        if self.lacks_language && env::var_os("CI").is_some_and(|value| !value.is_empty()) {
            bail!("where CI is set, every language must be there");
        }
        Ok(())
    }

    fn summary(&self) -> String {
        let sum = |count: fn(&Row) -> u64| self.rows.iter().map(count).sum::<u64>();
        let known = self
            .rows
            .iter()
            .filter(|row| known::reason(row.client, row.pattern).is_some())
            .map(|row| row.failed)
            .sum::<u64>();
        format!(
            "matrix: {} runs, {} requests, {} connections ended: {} failed, and {known} of clients known to fail; {} ran twice, {} hung",
            self.rows.len(),
            sum(|row| row.sent),
            sum(|row| row.announced),
            sum(|row| row.failed) - known,
            sum(|row| row.duplicated),
            sum(|row| row.hung)
        )
    }
}

/// One line that the next one replaces; on a terminal only.
struct Status {
    total: usize,
    state: Mutex<(usize, BTreeMap<usize, String>)>,
}

impl Status {
    fn new(total: usize) -> Self {
        Self {
            total,
            state: Mutex::default(),
        }
    }

    fn at(&self, place: usize, run: &Run, executed: u64) {
        let text = format!(
            "{} {} {executed}/{}",
            run.client.name, run.pattern.name, run.requests
        );
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.insert(place, text);
        let running: Vec<_> = state.1.values().map(String::as_str).collect();
        show(&format!(
            "{} of {} runs over; {}",
            state.0,
            self.total,
            running.join(", ")
        ));
    }

    fn over(&self, place: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        state.1.remove(&place);
        show("");
    }
}

fn show(text: &str) {
    if stderr().is_terminal() {
        // Progress that cannot be shown is no failure of the run.
        let _ = write!(stderr(), "\r\x1b[K{text}");
    }
}

fn say(text: &str) {
    eprintln!("{text}");
}
