//! grpc-go: unary requests and long server streams, scaled out.

use std::collections::HashMap;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use evenkeel_report::terminal;
use evenkeel_test_clients::{Client, Program, Report};
use serde_json::json;
use tokio::process::Command;

use super::{About, Lab};
use crate::client_group::Caller;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "gRPC: unary requests and long server streams",
    problem: "16 channels of grpc-go to a Service: 8 with about 7 unary requests per second, 8 whose server streams take 2 seconds each, \
              one after the other. 2 pods become 4. A channel has one connection and keeps it.",
    reading: "With the module, each connection gets a GOAWAY at its age. grpc-go completes its streams and opens another connection: all \
              pods have some, and no request and no stream fails. The `MAX_CONNECTION_AGE` of a server of grpc-go (`max-age`: 4 s, no \
              grace period, no Envoy that parses HTTP/2) is as good, where each server has it.",
};

const CHANNELS: usize = 16;

/// Unary requests: each with a pause of 150 ms, about 20 s in all.
const UNARY: &str = "--method UNARY --path /evenkeel.Test/Echo --requests 130 --body 16 --response 16 --burst 1 --pause 150";

/// Server streams: 20 messages of 1 KiB, one every 100 ms, about 20 s in all.
const STREAMS: &str = "--method SERVER --path /evenkeel.Test/Stream/20/100 --requests 10 --body 0 --response 20480 --burst 0 --pause 0";

const COMMON: &str = "--protocol grpc --concurrency 1 --cancel 0 --timeout 10000";

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let policy = json!({
        "version": 1,
        "defaults": { "max_connection_age": "4s", "jitter": 0.5 },
    });
    let clients = Client::named(&["grpc-go".to_owned()])?;
    let client = clients.first().context("no client grpc-go")?;
    let program = client.language.program(client.program, terminal::note)?;
    let server = client.language.program("grpcserver", terminal::note)?;
    let sides = vec![
        Side::before(),
        Side::after(policy),
        Side::with_server("max-age", server, "4s"),
    ];
    let mut site = lab.site(App::Grpc, sides, 2, 4).await?;
    let counts: [Arc<Counts>; 3] = Default::default();
    let services = [0, 1, 2].map(|side| site.service(side).cluster_address());
    let of_service: HashMap<_, _> = services.into_iter().zip(counts.clone()).collect();
    site.call(ClientLocation::Cluster, CHANNELS, move |caller| {
        let counts = Arc::clone(&of_service[&caller.service]);
        channel(caller, program.clone(), counts)
    });
    site.run_for(Duration::from_secs(4)).await;
    let changed = site.change(2, 0).await?;
    site.run_for(Duration::from_secs(10)).await;
    let histories = site.finish().await?;

    let mut outcome = Outcome::new(histories.iter().zip(&counts).map(|(history, counts)| {
        SideOutcome::connections(history, 2, &[(changed, "2 added")])
            .number(
                "connections of the new pods at the end",
                history.connections_of_last(2) as f64,
            )
            .number(
                "requests and streams completed",
                counts.completed.load(Ordering::Relaxed) as f64,
            )
            .number("drains", history.drains_since(0.0) as f64)
            .number("requests and streams failed", history.failed() as f64)
    }));
    let [before, after, limit] = [0, 1, 2].map(|side| histories[side].connections_of_last(2));
    outcome.check("before, the new pods have no connection", before == 0);
    // Each has half of the connections: none of 16 is no chance.
    outcome.check(
        format!("after, the new pods have connections ({after} of {CHANNELS})"),
        after > 0,
    );
    outcome.check(
        format!("with `MAX_CONNECTION_AGE`, too ({limit})"),
        limit > 0,
    );
    outcome.no_failures(&histories);
    Ok(outcome)
}

/// What the programs of a side report.
#[derive(Default)]
struct Counts {
    started: AtomicU64,
    completed: AtomicU64,
}

/// Runs a program with one channel to its end.
async fn channel(caller: Caller, program: Program, counts: Arc<Counts>) {
    let pattern = match counts.started.fetch_add(1, Ordering::Relaxed) % 2 {
        0 => UNARY,
        _ => STREAMS,
    };
    let mut command = Command::from(program.command());
    command
        .args(["--address", &caller.service.to_string()])
        .args(COMMON.split(' ').chain(pattern.split(' ')))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match command.output().await.context("grpc-go").and_then(report) {
        Ok(report) => {
            counts.completed.fetch_add(report.ok, Ordering::Relaxed);
            for (error, times) in report.errors {
                for _ in 0..times {
                    caller.tally.count(Err(anyhow::anyhow!("{error}")));
                }
            }
        }
        Err(error) => caller.tally.count(Err(error)),
    }
}

fn report(output: Output) -> Result<Report> {
    if !output.status.success() {
        bail!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Report::parse(&String::from_utf8_lossy(&output.stdout))
}
