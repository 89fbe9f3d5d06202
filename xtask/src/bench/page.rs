//! The page docs/cost.md.

use std::fmt::Write;

use evenkeel_report::Spread;

use super::envoy::{Cost, Latency, RATE, Report, ShapeCost};
use super::processes::{Expiry, ProcessEffort, WORKERS};

const HEAD: &str = "\
# Cost

For platform engineers who decide where to install the module: what it adds to the CPU, memory and latency of an Envoy.

";

/// Writes the page for a run on this version of Envoy.
pub fn page(report: &Report, version: &str) -> String {
    let rounds = report.rounds;
    let mut page = format!(
        "{HEAD}`cargo xtask bench --envoy --rounds {rounds} --page docs/cost.md` has measured it on Envoy {version} with one worker. All contenders \
         are listeners of one process, which has a CPU of its own, and take turns. The numbers are CPU time of the Envoy process divided by that of Envoy \
         alone in the same round: the median of {rounds} rounds, with the smallest and the largest. Compare only numbers of one \
         table.\n\n\
         An empty filter is the floor for any module: its callbacks return at once. One that only reads takes the first 256 bytes \
         of each network callback from Envoy: the floor for a scanner that reads each of them. One that looks up two attributes \
         takes the connection's id and the request's path, too: the floor for routes by path. What the module itself does is counted in \
         [tests/module/cost.md](../tests/module/cost.md), equal on every machine; a test fails when it grows.\n\n\
         HTTP/2 and gRPC are measured with h2load, whose frames the module reads, and with another Envoy as the client, whose \
         frames it [does not read](wire.md#http2) without `rebalance`.\n",
    );
    for shape in &report.shapes {
        add_shape(&mut page, shape);
    }
    // A run may measure only a part.
    if !report.latencies.is_empty() {
        add_latencies(&mut page, &report.latencies);
    }
    if !report.processes.is_empty() {
        add_processes(&mut page, report);
    }
    page
}

fn add_latencies(page: &mut String, latencies: &[Latency]) {
    let _ = write!(
        page,
        "\n## Response times\n\nHTTP/1, {RATE} requests per second over 8 connections.\n\n\
         | | p50 | p99 |\n|---|--:|--:|\n"
    );
    for latency in latencies {
        let _ = writeln!(
            page,
            "| {} | {} µs | {} µs |",
            latency.name, latency.p50, latency.p99
        );
    }
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

fn add_processes(page: &mut String, report: &Report) {
    let ProcessEffort {
        starts,
        connections,
        ..
    } = report.process_effort;
    let _ = write!(
        page,
        "\n## Start and memory\n\n\
         Each an Envoy with {WORKERS} workers, medians of {starts} starts, in turns. The CPU time at the start is that until a second \
         after Envoy is ready. Memory is `RssAnon`. An Envoy keeps {connections} HTTP/1 connections, as many as the limit of open \
         files allowed. The memory of one is the growth with the second half of them: before, buffers and caches grow, too.\n\n\
         | | CPU at start | memory | memory per 10,000 connections | CPU per second when idle | the same with {connections} \
         connections |\n\
         |---|--:|--:|--:|--:|--:|\n"
    );
    let mib = |kib: f64| format!("{:.1} MiB", kib / 1024.0);
    let ms = |ms: f64| format!("{ms:.2} ms");
    let show = |values: &[f64], unit: &dyn Fn(f64) -> String| spread(values).format(unit, "-");
    for process in &report.processes {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            process.name,
            show(&process.start_cpu_ms, &|ms| format!("{ms:.0} ms")),
            show(&process.memory_kib, &mib),
            show(&process.memory_per_connection_kib, &|kib| mib(
                kib * 10_000.0
            )),
            show(&process.idle_cpu_ms_per_s, &ms),
            show(&process.idle_cpu_with_connections_ms_per_s, &ms),
        );
    }
    let _ = write!(
        page,
        "\n## When all connections expire\n\n\
         A changed policy makes all {connections} connections expire at once, with a budget of 100 drains per second. Idle HTTP/1 \
         connections stay open; then each sends two more requests. All got their responses. These connections expired without \
         warning, and their last response was not read, so the drain signal is in the second response \
         ([wire.md](wire.md#http1)), as far as the budget allows.\n\n\
         | | CPU in the busiest second | CPU in the first 5 seconds | connections drained by the second requests | duration of the second requests |\n\
         |---|--:|--:|--:|--:|\n"
    );
    for process in report.processes.iter().filter(|it| !it.expiries.is_empty()) {
        let of = |value: &dyn Fn(&Expiry) -> f64| -> Vec<f64> {
            process.expiries.iter().map(value).collect()
        };
        let first = of(&|it| it.cpu_ms.iter().take(5).sum());
        let busiest = of(&|it| it.cpu_ms.iter().copied().fold(0.0, f64::max));
        let drained = of(&|it| it.drained as f64);
        let seconds = of(&|it| it.seconds);
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            process.name,
            show(&busiest, &|ms| format!("{ms:.0} ms")),
            show(&first, &|ms| format!("{ms:.0} ms")),
            show(&drained, &|count| format!("{count:.0}")),
            show(&seconds, &|seconds| format!("{seconds:.1} s")),
        );
    }
}

fn spread(values: &[f64]) -> Spread {
    Spread::of(values.iter().copied().map(Some))
}

fn median(cost: &Cost) -> f64 {
    spread(&cost.micros).median().unwrap_or_default()
}
