//! The results: for the terminal, as one HTML page, and as a page of the documentation.

mod figure;
mod html;
mod markdown;

use std::fmt::Write;

use evenkeel_report::terminal::{Style, styled};
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::outcome::{Number, Outcome, SideOutcome};
use crate::services::Rules;

pub use html::page;
pub use markdown::{images, markdown};

/// A case that was run.
#[derive(Serialize, Deserialize)]
pub struct Played {
    pub case: Case,
    pub rules: Rules,
    pub seconds: f64,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Returns these results with the earlier ones of other cases and rules, in the order of the cases.
pub fn merge(played: Vec<Played>, earlier: Vec<Played>) -> Vec<Played> {
    let key = |result: &Played| (result.rules, result.case);
    let is_replaced = |result: &Played| played.iter().any(|newer| key(newer) == key(result));
    let kept: Vec<_> = earlier
        .into_iter()
        .filter(|result| !is_replaced(result))
        .collect();
    let mut all: Vec<_> = played.into_iter().chain(kept).collect();
    all.sort_by_key(key);
    all
}

/// Renders the numbers and checks of a case.
pub fn terminal(played: &Played) -> String {
    let mut text = String::new();
    for side in &played.outcome.sides {
        let numbers = side
            .numbers
            .iter()
            .map(|number| format!("{} {}", number.name, number.text()));
        let numbers = numbers.collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "  {:10} {numbers}", side.name);
    }
    for check in &played.outcome.checks {
        let (style, word) = verdict(check.passed);
        let _ = writeln!(text, "  {} {}", styled(style, word), check.what);
    }
    text
}

fn verdict(passed: bool) -> (Style, &'static str) {
    match passed {
        true => (Style::Green, "ok    "),
        false => (Style::Red, "FAILED"),
    }
}

/// Returns a row for each number, with the values of all sides.
fn numbers(sides: &[SideOutcome]) -> Vec<Vec<String>> {
    let mut names: Vec<&str> = Vec::new();
    for number in sides.iter().flat_map(|side| &side.numbers) {
        if !names.contains(&number.name.as_str()) {
            names.push(&number.name);
        }
    }
    let row = |name: &str| {
        let number = |side: &SideOutcome| {
            let mut numbers = side.numbers.iter();
            numbers.find(|number| number.name == name).map(Number::text)
        };
        let values = sides.iter().map(|side| number(side).unwrap_or_default());
        [name.to_owned()].into_iter().chain(values).collect()
    };
    names.into_iter().map(row).collect()
}
