//! Many runs: which there are, several at a time, with progress.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use evenkeel_report::terminal::{self, Status};
use futures_util::{StreamExt, stream};

use crate::client::Client;
use crate::exemption::Exemption;
use crate::language::{Language, Program};
use crate::outcome::Outcome;
use crate::pattern::Pattern;
use crate::recycle::Recycle;
use crate::row::Row;
use crate::run::{Run, Stages};
use crate::site::Against;

/// The runs that were chosen, and what this machine cannot run.
#[derive(Debug, Default)]
pub struct Matrix {
    runs: Vec<Run>,
    missing: BTreeMap<String, Vec<String>>,
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
            self.add_missing(missing, against.name());
            return;
        }
        if client.language.version().is_none() {
            let language = client.language.name();
            self.add_missing(format!("{language} is not installed"), client.name);
            return;
        }
        if let Some(missing) = client.missing() {
            self.add_missing(missing, client.name);
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

    /// Adds, for every run of a client with an exemption in one of its patterns, the same run against a proxy that
    /// drains nothing, unless it is there. The exemption needs it as a reference; so does the check whether the client
    /// is drained, possibly only in a pattern without an exemption.
    pub fn add_references(&mut self) {
        let exempt: Vec<_> = self
            .runs
            .iter()
            .filter(|run| Exemption::of(run.client.name, run.pattern.name).is_some())
            .map(|run| run.client.name)
            .collect();
        let references: Vec<_> = self
            .runs
            .iter()
            .filter(|run| exempt.contains(&run.client.name))
            .map(|run| Run {
                against: Against::None,
                ..*run
            })
            .collect();
        for reference in references {
            if !self.runs.contains(&reference) {
                self.runs.push(reference);
            }
        }
    }

    fn add_missing(&mut self, what: String, who: &str) {
        let whose = self.missing.entry(what).or_default();
        if !whose.iter().any(|name| name == who) {
            whose.push(who.to_owned());
        }
    }

    /// Executes all runs: `jobs` at a time of those that keep the machine busy, and as many at a time of those
    /// that mostly wait. `done` gets each row when it is complete.
    ///
    /// # Errors
    /// When a client's program cannot be provisioned. A run that does not complete is in the outcome.
    pub async fn run(self, jobs: usize, done: impl Fn(&Row)) -> Result<Outcome> {
        let programs = programs(&self.runs)?;
        let status = Progress::new(self.runs.len());
        let stages = Stages::default();
        let execute = async |(place, run): (usize, Run)| {
            let progress = |n| status.update(place, &run, n);
            let program = &programs[run.client.name];
            let row = stages.row(&run, program, progress).await;
            status.finish(place);
            if let Ok(Some(row)) = &row {
                done(row);
            }
            (place, run, row)
        };
        let (waiting, busy): (Vec<_>, Vec<_>) = self
            .runs
            .into_iter()
            .enumerate()
            .partition(|(_, run)| run.pattern.mostly_waits());
        let all = |runs, jobs| {
            let runs = stream::iter(runs).map(&execute);
            runs.buffer_unordered(jobs).collect::<Vec<_>>()
        };
        let (mut ended, waited) = tokio::join!(all(busy, jobs), all(waiting, jobs));
        ended.extend(waited);
        ended.sort_by_key(|(place, ..)| *place);
        let mut outcome = Outcome {
            missing: self.missing,
            ..Outcome::default()
        };
        for (_, run, row) in ended {
            match row {
                Ok(row) => outcome.rows.extend(row),
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

/// Provisions the program of each client, by name, for all languages in parallel: one downloads while another compiles.
fn programs(runs: &[Run]) -> Result<BTreeMap<&'static str, Program>> {
    let mut clients: BTreeMap<Language, BTreeMap<&'static str, Client>> = BTreeMap::new();
    for Run { client, .. } in runs {
        let of_language = clients.entry(client.language).or_default();
        of_language.insert(client.name, *client);
    }
    let provide = |clients: BTreeMap<&'static str, Client>| -> Result<Vec<_>> {
        let program = |client: &Client| client.language.program(client.program, terminal::note);
        clients
            .values()
            .map(|client| Ok((client.name, program(client)?)))
            .collect()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_values()
            .map(|clients| scope.spawn(move || provide(clients)))
            .collect();
        let mut programs = BTreeMap::new();
        for thread in threads {
            programs.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        Ok(programs)
    })
}

/// The progress of all runs, in a line of the terminal.
struct Progress {
    total: usize,
    status: Status,
    state: Mutex<(usize, BTreeMap<usize, String>)>,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self {
            total,
            status: Status::new(),
            state: Mutex::default(),
        }
    }

    fn update(&self, place: usize, run: &Run, executed: u64) {
        let text = format!(
            "{} {} {executed}/{}",
            run.client.name, run.pattern.name, run.requests
        );
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.insert(place, text);
        let running: Vec<_> = state.1.values().map(String::as_str).collect();
        self.status.show(&format!(
            "{} of {} runs over; {}",
            state.0,
            self.total,
            running.join(", ")
        ));
    }

    fn finish(&self, place: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        state.1.remove(&place);
        self.status.show("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn against(runs: &[Run], pattern: &str) -> Vec<Against> {
        let of_pattern = runs.iter().filter(|run| run.pattern.name == pattern);
        of_pattern.map(|run| run.against).collect()
    }

    #[test]
    fn client_that_loses_requests_by_itself_is_compared_in_every_pattern() {
        let mut matrix = Matrix::default();
        let client = Client::named(&["httpx-h2".to_owned()]).unwrap()[0];
        for name in ["get", "post-16"] {
            let mut patterns = Pattern::of(client.protocol).iter();
            let pattern = *patterns.find(|pattern| pattern.name == name).unwrap();
            matrix.runs.push(Run {
                client,
                pattern,
                requests: 10,
                against: Against::Evenkeel,
                recycle: Recycle::Requests,
            });
        }

        matrix.add_references();
        matrix.add_references();

        let both = [Against::Evenkeel, Against::None];
        assert_eq!(against(&matrix.runs, "get"), both);
        assert_eq!(against(&matrix.runs, "post-16"), both);
    }
}
