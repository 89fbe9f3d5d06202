//! The policies that a simulation compares.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use evenkeel_policy::{Measure, Mode, Policy};
use evenkeel_report::terminal;

use crate::diagnose;

/// A policy and its name.
#[derive(Clone)]
pub struct Candidate {
    pub name: String,
    /// The text, because a [`Policy`] cannot move to the thread of a run.
    pub text: String,
}

impl Candidate {
    /// The parsed text.
    pub fn policy(&self) -> Policy {
        Policy::parse(self.text.as_bytes()).expect("a text that was parsed before")
    }

    /// Returns the policies to compare with: nothing is drained, recycling by age, and rebalancing of the
    /// excess only, by the `measure` of the scenario.
    pub fn built_in(measure: Measure) -> Vec<Self> {
        let measure = match measure {
            Measure::Connections => "connections",
            Measure::Requests => "requests",
            Measure::Bytes => "bytes",
        };
        let texts = [
            (
                "none",
                r#"{"version": 1, "defaults": {"max_connection_age": "off"}}"#.to_owned(),
            ),
            (
                "age",
                r#"{"version": 1, "defaults": {"max_connection_age": "600s", "jitter": 0.1}}"#
                    .to_owned(),
            ),
            (
                "rebalance",
                format!(
                    r#"{{"version": 1, "defaults": {{"max_connection_age": "off"}},
 "rebalance": {{"measure": "{measure}", "max_rate": 0.02}}, "peers": {{"cluster": "shop"}}}}"#
                ),
            ),
        ];
        texts
            .into_iter()
            .map(|(name, text)| Self::new(name, text).expect("a valid policy"))
            .collect()
    }

    /// Reads an operator's file.
    ///
    /// # Errors
    /// When the file cannot be read; if the policy is invalid, all findings as `evenkeel check` shows them.
    pub fn read(path: &Path) -> Result<Self> {
        let (source, policy) = diagnose::read(path)?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        note_differences(&name, &policy);
        Ok(Self {
            name,
            text: String::from_utf8_lossy(source.json()).trim().to_owned(),
        })
    }

    pub(super) fn new(name: &str, text: String) -> Result<Self> {
        match Policy::parse(text.as_bytes()) {
            Ok(_) => Ok(Self {
                name: name.to_owned(),
                text: text.trim().to_owned(),
            }),
            Err(errors) => Err(anyhow!("the policy is invalid:\n{errors}")),
        }
    }
}

/// Prints how the simulation of a policy differs from what the module does.
fn note_differences(name: &str, policy: &Policy) {
    if policy.mode == Mode::DryRun {
        terminal::note(&format!(
            "{name}: \"mode\" is \"dry_run\", which drains nothing; the simulation shows the effect of \"enforce\""
        ));
    }
    if !policy.routes.is_empty() || !policy.tcp.is_empty() {
        terminal::note(&format!(
            "{name}: every connection is under \"defaults\"; \"routes\" and \"tcp\" are not simulated"
        ));
    }
    if policy.rebalance.is_some() && policy.peers.is_none() {
        terminal::note(&format!(
            "{name}: \"rebalance\" without \"peers\" compares a gateway's upstream hosts, which are not simulated; without \"peers\", pods are not rebalanced"
        ));
    }
}

/// Rejects two policies with one name, because their rows would look the same.
///
/// # Errors
/// When two policies have one name.
pub fn check_names(candidates: &[Candidate]) -> Result<()> {
    for (index, candidate) in candidates.iter().enumerate() {
        if candidates[..index]
            .iter()
            .any(|other| other.name == candidate.name)
        {
            bail!(
                "two policies have the name {}: rename one of the files",
                candidate.name
            );
        }
    }
    Ok(())
}
