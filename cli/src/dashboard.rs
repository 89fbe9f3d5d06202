//! `evenkeel dashboard`: a Grafana dashboard, from the list of metrics.

mod json;
mod panel;
mod rows;

use anyhow::Result;
use evenkeel_report::terminal;

const EXAMPLES: &str = "\
Examples:
  evenkeel dashboard > evenkeel.json
      In Grafana: Dashboards, New, Import
  evenkeel dashboard --workload service_istio_io_canonical_name > evenkeel.json
      If the scrape names workloads by another label than `app`

The variables `namespace`, the workload and `pod` follow the labels that Istio's scrape sets. If a scrape sets
none of them, leave them at All and select by `job` and `instance`.";

/// The label by which Istio's scrape identifies workloads.
const WORKLOAD: &str = "app";

/// Print a Grafana dashboard: balance of connections, drains, problems
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The label by which the scrape identifies workloads
    #[arg(long, value_name = "LABEL", default_value = WORKLOAD, value_parser = label)]
    workload: String,
}

/// Prints the dashboard.
pub fn run(args: &Args) -> Result<()> {
    terminal::text(&json::dashboard(&args.workload)?);
    Ok(())
}

/// The file `istio/dashboard/evenkeel.json`.
///
/// # Errors
/// When the dashboard cannot be serialized.
pub fn dashboard_file() -> Result<String> {
    json::dashboard(WORKLOAD)
}

fn label(text: &str) -> Result<String, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !text.is_empty()
        && text.chars().all(is_word)
        && !text.starts_with(|c: char| c.is_ascii_digit())
    {
        return Ok(text.to_owned());
    }
    Err("a Prometheus label consists of letters, digits and `_`, such as `app`".to_owned())
}

#[cfg(test)]
mod tests {
    use evenkeel_metrics::Metric;

    use super::*;

    #[test]
    fn every_metric_of_the_list_is_on_the_dashboard() {
        let dashboard = dashboard_file().unwrap();
        let missing: Vec<_> = Metric::ALL
            .iter()
            .filter(|metric| !dashboard.contains(&format!("{metric}{{")))
            .collect();

        assert_eq!(missing, Vec::<&Metric>::new());
    }

    #[test]
    fn workload_label_can_be_chosen() {
        let dashboard = json::dashboard("workload").unwrap();

        assert!(
            dashboard.contains(r#"workload=~\"$workload\""#),
            "{dashboard}"
        );
        assert!(!dashboard.contains("app=~"), "{dashboard}");
        assert!(label("no-label").is_err() && label("").is_err() && label("1a").is_err());
    }
}
