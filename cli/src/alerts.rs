//! `evenkeel alerts`: Prometheus alert rules, from the list of metrics.

mod rules;

use anyhow::Result;
use clap::ValueEnum;
use clap::error::ErrorKind;
use serde::Serialize;

use crate::term;
use rules::{Alert, alerts};

const EXAMPLES: &str = "\
Examples:
  evenkeel alerts > evenkeel-alerts.yaml
      A file for `rule_files` in prometheus.yml; `promtool check rules evenkeel-alerts.yaml` agrees with it
  evenkeel alerts --format prometheus-rule --namespace monitoring | kubectl apply -f -
      The same for the Prometheus Operator
  evenkeel alerts --runbook https://wiki.example/evenkeel > evenkeel-alerts.yaml
      With links to your own copy of docs/operating.md";

const HEADER: &str =
    "# Alert rules for Evenkeel. Written by `evenkeel alerts`: change that, not this file.\n";

/// Print Prometheus alert rules: few, and each with what to do.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Rules)]
    format: Format,
    /// Where docs/operating.md is to be read; the alert's name is appended as the anchor
    #[arg(long, value_name = "URL", default_value = "docs/operating.md")]
    runbook: String,
    /// The namespace of the PrometheusRule
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A rule file for Prometheus
    Rules,
    /// A PrometheusRule for the Prometheus Operator
    PrometheusRule,
}

#[derive(Serialize)]
struct Groups {
    groups: [Group; 1],
}

#[derive(Serialize)]
struct Group {
    name: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Rule {
    alert: &'static str,
    expr: String,
    #[serde(rename = "for")]
    lasts: &'static str,
    labels: Labels,
    annotations: Annotations,
}

#[derive(Serialize)]
struct Labels {
    severity: &'static str,
}

#[derive(Serialize)]
struct Annotations {
    summary: &'static str,
    description: String,
    runbook_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrometheusRule {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: Groups,
}

#[derive(Serialize)]
struct Metadata {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
}

/// Prints them.
pub fn run(args: &Args) -> Result<()> {
    if args.namespace.is_some() && args.format == Format::Rules {
        let what = "a rule file has no namespace: --namespace is for --format prometheus-rule\n";
        return Err(clap::Error::raw(ErrorKind::ArgumentConflict, what).into());
    }
    let groups = groups(&args.runbook);
    let yaml = match args.format {
        Format::Rules => to_yaml(&groups)?,
        Format::PrometheusRule => to_yaml(&PrometheusRule {
            api_version: "monitoring.coreos.com/v1",
            kind: "PrometheusRule",
            metadata: Metadata {
                name: "evenkeel",
                namespace: args.namespace.clone(),
            },
            spec: groups,
        })?,
    };
    term::text(&format!("{HEADER}{yaml}"));
    Ok(())
}

/// The rule file `istio/dashboard/alerts.yaml`.
///
/// # Errors
/// Never: all of it can be written as YAML.
pub fn rule_file() -> Result<String> {
    let yaml = to_yaml(&groups("docs/operating.md"))?;
    Ok(format!("{HEADER}{yaml}"))
}

/// Each text on one line, so that a search finds it.
fn to_yaml(value: &impl Serialize) -> Result<String> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    Ok(serde_saphyr::to_string_with_options(value, options)?)
}

fn groups(runbook: &str) -> Groups {
    let rule = |alert: Alert| Rule {
        alert: alert.name,
        expr: alert.expr,
        lasts: alert.lasts,
        labels: Labels {
            severity: alert.severity,
        },
        annotations: Annotations {
            summary: alert.summary,
            description: alert.description,
            runbook_url: format!("{runbook}#{}", alert.name.to_lowercase()),
        },
    };
    Groups {
        groups: [Group {
            name: "evenkeel",
            rules: alerts().into_iter().map(rule).collect(),
        }],
    }
}
