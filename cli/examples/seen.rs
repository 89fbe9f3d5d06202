//! Writes the dashboard and the alert rules below `istio/dashboard`, and the table of metrics in docs/operating.md.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let write = |name: &str, text: String| -> io::Result<()> { fs::write(root.join(name), text) };
    write(
        "istio/dashboard/evenkeel.json",
        evenkeel_cli::dashboard_file()?,
    )?;
    write("istio/dashboard/alerts.yaml", evenkeel_cli::rule_file()?)?;
    let operating = fs::read_to_string(root.join("docs/operating.md"))?;
    let operating = evenkeel_metrics::with_metrics_table(&operating)
        .context("docs/operating.md: the marks around the table are gone")?;
    write("docs/operating.md", operating)?;
    Ok(())
}
