//! Renders a report as text, problems first.

use std::collections::BTreeMap;
use std::fmt::Write;

use evenkeel_report::number::{duration, rounded};
use evenkeel_report::terminal::{self, Style, styled};

use super::Report;
use super::evenness::Evenness;
use super::finding::Severity;
use super::pod::{Mode, Pod, Rates};

/// The maximum length of a bar.
const BAR_WIDTH: usize = 30;

/// The maximum number of hosts that are shown one by one.
const MAX_HOSTS: usize = 16;

/// Renders the report without a newline at its end.
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    for error in &report.errors {
        line(&mut page, &styled(Style::Red, "problem"), error);
    }
    if let Some(evenness) = &report.evenness {
        let _ = writeln!(page, "{}", summary(evenness, "pods"));
        bars(&mut page, evenness);
    }
    for pod in &report.pods {
        if !page.is_empty() {
            page.push('\n');
        }
        describe(&mut page, pod);
    }
    page.truncate(page.trim_end().len());
    page
}

fn describe(page: &mut String, pod: &Pod) {
    line(
        page,
        &terminal::styled(Style::Bold, &pod.source),
        describe_mode(pod.mode),
    );
    for finding in &pod.findings {
        let (style, mark) = match finding.severity {
            Severity::Problem => (Style::Red, "problem"),
            Severity::Note => (Style::Yellow, "note   "),
        };
        row(
            page,
            &styled(style, mark),
            7,
            &terminal::escape(&finding.message),
        );
        for text in wrap(&finding.action) {
            row(page, "", 0, &text);
        }
    }
    let age = pod
        .mean_age_seconds
        .map(|age| format!(", mean age {}", duration(age)))
        .unwrap_or_default();
    let opened = by(&pod.opened).map(|opened| format!("; opened since the start: {opened}"));
    named_row(
        page,
        "connections",
        &format!(
            "{} open{age}{}",
            rounded(pod.connections),
            opened.unwrap_or_default()
        ),
    );
    named_row(page, "drained", &drained(pod));
    if let Some(delayed) = delayed(pod) {
        named_row(page, "delayed", &delayed);
    }
    if let Some(peers) = &pod.peers {
        let pods = peers.known + 1.0;
        let load = match peers.over_mean {
            Some(over) => format!(
                "has {over:.2} x the mean load of {pods} pods ({} to {})",
                rounded(pod.load),
                rounded(peers.mean)
            ),
            None => format!("{} known; none has any load", peers.known),
        };
        let state = if pod.is_rebalancing {
            "; is rebalancing"
        } else {
            ""
        };
        named_row(page, "peers", &format!("{load}{state}"));
    } else if pod.is_rebalancing {
        named_row(page, "hosts", "is rebalancing");
    }
    if let Some(upstream) = &pod.upstream {
        named_row(page, "upstream", &summary(upstream, "hosts"));
        bars(page, upstream);
    }
    if let Some(since) = &pod.since {
        named_row(page, "now", &rates(since));
    }
}

fn describe_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "drains connections",
        Mode::DryRun => "dry run: counts what it would drain, and drains nothing",
        Mode::Unknown => "has drained nothing yet",
    }
}

fn drained(pod: &Pod) -> String {
    if pod.mode == Mode::DryRun {
        let would = by(&pod.dry_run_drains).unwrap_or_default();
        return format!("would have drained since the start: {would}");
    }
    let Some(expired) = by(&pod.expired) else {
        return "nothing has expired since the start".to_owned();
    };
    let drain_signals = by(&pod.drain_signals).unwrap_or_else(|| "none".to_owned());
    let drained = by(&pod.drained).map(|drained| format!("; closed by: {drained}"));
    format!(
        "expired since the start: {expired}; drain signals: {drain_signals}{}",
        drained.unwrap_or_default()
    )
}

fn delayed(pod: &Pod) -> Option<String> {
    let delays = [
        (pod.budget_exhausted, "waited for the budget"),
        (pod.deferred, "deferred"),
    ];
    let delays: Vec<_> = delays
        .iter()
        .filter(|(times, _)| *times > 0.0)
        .map(|(times, how)| format!("{} {how}", rounded(*times)))
        .collect();
    (!delays.is_empty()).then(|| delays.join(", "))
}

fn rates(since: &Rates) -> String {
    let Rates {
        requests,
        opened,
        expired,
        drain_signals,
        budget_exhausted,
        ..
    } = since;
    format!(
        "per second: {requests:.1} requests, {opened:.1} opened, {expired:.1} expired, {drain_signals:.1} drain signals, {budget_exhausted:.1} waits for the budget"
    )
}

/// Summarizes the evenness in one line, colored by its rating.
fn summary(evenness: &Evenness, of: &str) -> String {
    let count = evenness.loads.len();
    let (Some(over), Some(jain)) = (evenness.max_over_mean, evenness.jain) else {
        return format!("{count} {of}, without load");
    };
    let style = match over {
        over if over < 1.2 => Style::Green,
        over if over < 1.5 => Style::Yellow,
        _ => Style::Red,
    };
    let over = styled(style, format!("{over:.2} x the mean"));
    let measure = evenness.measure;
    format!("{count} {of} by {measure}: the highest has {over}; Jain's index {jain:.2}")
}

fn bars(page: &mut String, evenness: &Evenness) {
    let loads = evenness.loads.iter().take(MAX_HOSTS);
    let loads: Vec<_> = loads
        .map(|(name, load)| (terminal::escape(name), load))
        .collect();
    let widest = loads.iter().map(|(name, _)| name.chars().count());
    let widest = widest.max().unwrap_or_default();
    for (name, load) in loads {
        let bar = evenness.bar(*load, BAR_WIDTH);
        let space = if bar.is_empty() { "" } else { " " };
        row(
            page,
            "",
            0,
            &format!("{name:widest$}  {bar}{space}{}", rounded(*load)),
        );
    }
    if let Some(more) = evenness
        .loads
        .len()
        .checked_sub(MAX_HOSTS)
        .filter(|more| *more > 0)
    {
        row(page, "", 0, &format!("and {more} more"));
    }
}

fn by(counts: &BTreeMap<String, f64>) -> Option<String> {
    let counts: Vec<_> = counts
        .iter()
        .map(|(label, count)| format!("{} {}", rounded(*count), terminal::escape(label)))
        .collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

fn line(page: &mut String, title: &str, text: &str) {
    let _ = writeln!(page, "{title}  {text}");
}

fn named_row(page: &mut String, name: &str, text: &str) {
    row(page, name, name.len(), text);
}

/// Writes a row: a word that is `columns` wide, and a text.
fn row(page: &mut String, word: &str, columns: usize, text: &str) {
    let space = " ".repeat(13_usize.saturating_sub(columns));
    let _ = writeln!(page, "  {word}{space}{text}");
}

/// Wraps a text into lines of at most a hundred characters.
fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
