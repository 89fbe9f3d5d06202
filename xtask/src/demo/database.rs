//! Pools of PostgreSQL connections. A second server is added.
//!
//! A transaction may pause, so that silence is no safe point: connections are closed between transactions.

mod client;

use std::time::Duration;

use anyhow::Result;
use evenkeel_report::terminal;
use evenkeel_test_databases::System;
use serde_json::json;

use super::Tools;
use super::gateway::{GatewayPlan, compare};
use super::outcome::Scenario;
use client::PostgresClient;

const CLIENTS: usize = 20;
/// Between the statements of a transaction; longer than `idle_time`.
const THINK: Duration = Duration::from_millis(600);

/// Returns None where PostgreSQL is not available.
pub async fn measure(tools: &Tools, quick: bool, seed: u64) -> Result<Option<Scenario>> {
    let servers = match System::Postgresql.start(2).await {
        Ok(servers) => servers,
        Err(error) => {
            terminal::note(&format!("database: not run: {error:#}"));
            return Ok(None);
        }
    };
    let hosts = servers.addresses.clone();
    let (age, before, after) = if quick { ("2s", 1, 7) } else { ("3s", 2, 10) };
    let plan = GatewayPlan {
        name: "database",
        protocol: "PostgreSQL",
        first: 1,
        hosts: hosts.clone(),
        clients: CLIENTS,
        before: Duration::from_secs(before),
        after: Duration::from_secs(after),
        rule: json!({
            "protocol": "postgresql",
            "max_connection_age": age, "jitter": 0.5, "idle_time": "500ms",
        }),
        unit: "transactions",
        setup: format!(
            "{CLIENTS} clients keep a connection each to one PostgreSQL server. Each runs a transaction of three \
             statements with a pause of {THINK:?} about every two seconds. After {before} s there is a second \
             server. Transactions are counted from then on."
        ),
        reading: "Before, the new server gets nothing. After, connections that have reached their age are closed \
                  between two transactions, never within one, and both servers get a share.",
    };
    let connect = |proxy| PostgresClient::new(proxy, &hosts);
    Ok(Some(compare(tools, seed, plan, connect).await?))
}
