//! The page docs/cost.md.

use std::fmt::Write;

use evenkeel_report::Spread;

use super::envoy::{Cost, RATE, Report, ShapeCost};

const HEAD: &str = "\
# Cost

For platform engineers who decide where to install the module: what it adds to the CPU, memory and latency of an Envoy.

";

/// Writes the page for a run on this version of Envoy.
pub fn page(report: &Report, version: &str) -> String {
    let mut page = format!(
        "{HEAD}`cargo xtask bench --envoy --page docs/cost.md` has measured it on Envoy {version} with one worker. All contenders \
         are listeners of one process and take turns. The numbers are CPU time of the Envoy process divided by that of Envoy \
         alone in the same round: the median of {} rounds, with the smallest and the largest. Compare only numbers of one \
         table.\n\n\
         An empty filter is the floor for any module: its callbacks return at once. What the module itself does is counted in \
         [tests/module/cost.md](../tests/module/cost.md), equal on every machine; a test fails when it grows.\n",
        report.rounds
    );
    for shape in &report.shapes {
        add_shape(&mut page, shape);
    }
    let _ = write!(
        page,
        "\n## Response times\n\nHTTP/1, {RATE} requests per second over 8 connections.\n\n\
         | | p50 | p99 |\n|---|--:|--:|\n"
    );
    for latency in &report.latencies {
        let _ = writeln!(
            page,
            "| {} | {} µs | {} µs |",
            latency.name, latency.p50, latency.p99
        );
    }
    let _ = write!(
        page,
        "\n## Start and memory\n\nEach an Envoy with two workers. Memory is `RssAnon`, and its growth with {} HTTP/1 \
         connections.\n\n\
         | | CPU until it serves | memory | memory per 10,000 connections | CPU per second when idle |\n\
         |---|--:|--:|--:|--:|\n",
        report.connections
    );
    for process in &report.processes {
        let mib = |kib: f64| format!("{:.1} MiB", kib / 1024.0);
        let _ = writeln!(
            page,
            "| {} | {:.0} ms | {} | {} | {:.2} ms |",
            process.name,
            process.start_cpu_ms,
            mib(process.memory_kib as f64),
            mib(process.memory_per_connection_kib * 10_000.0),
            process.idle_cpu_ms_per_s
        );
    }
    page
}

fn add_shape(page: &mut String, shape: &ShapeCost) {
    let _ = write!(page, "\n## {}\n\n| | CPU |\n|---|--:|\n", shape.name);
    for (index, cost) in shape.contenders.iter().enumerate() {
        let ratio = spread(&cost.ratios);
        let shown = match index {
            0 => format!("1 ({:.1} µs per {})", median(cost), shape.unit),
            _ => ratio.format(|ratio| format!("{ratio:.2}"), "-"),
        };
        let _ = writeln!(page, "| {} | {shown} |", cost.name);
    }
}

fn spread(values: &[f64]) -> Spread {
    Spread::of(values.iter().copied().map(Some))
}

fn median(cost: &Cost) -> f64 {
    spread(&cost.micros).median().unwrap_or_default()
}
