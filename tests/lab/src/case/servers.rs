//! Databases and brokers with real client libraries, scaled out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use evenkeel_test_databases::{
    Client, Contender, Counts, Program, Report, System, Target, run_client,
};
use evenkeel_test_envoy::Tally;
use serde_json::json;

use super::{About, Lab};
use crate::client_group::ClientGroup;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side, port};
use crate::site::Site;

const READING: &str = "With the module, a connection that has reached its age is closed between two operations of its \
    protocol, and its client opens another one, which kube-proxy assigns again. Envoy's own limit \
    (`max_downstream_connection_duration`) closes at any time: it balances, and breaks what is in use.";

pub const POSTGRESQL: About = About {
    title: "PostgreSQL: pools of connections to replicas",
    problem: "psycopg_pool and asyncpg with their pools, and HikariCP, run transactions that pause, through a Service with 2 servers. \
              Then there are 3. A pool keeps its connections, and the new server gets none.",
    reading: READING,
};

pub const MYSQL: About = About {
    title: "MySQL: connections to replicas",
    problem: "PyMySQL and HikariCP run transactions that pause, prepared statements and locks, through a Service with 2 MariaDB servers. \
              Then there are 3, and the new one gets no connection.",
    reading: READING,
};

pub const REDIS: About = About {
    title: "Redis: connections to replicas",
    problem: "redis-py runs commands, pipelines, MULTI, WATCH, blocking reads and subscriptions, through a Service with 2 servers. \
              Then there are 3, and the new one gets no connection.",
    reading: READING,
};

pub const NATS: About = About {
    title: "NATS: a cluster is scaled out",
    problem: "nats-py and nats.go publish, subscribe, send requests and use JetStream, through a Service with 2 servers of a cluster. \
              Then there are 3, and the new one gets no client. JetStream acknowledges each message; core NATS does not, so that a \
              subscription may miss one while its client reconnects (not acknowledged, not delivered).",
    reading: READING,
};

pub const MQTT: About = About {
    title: "MQTT: gateways before a broker are scaled out",
    problem: "paho and mosquitto_sub publish and subscribe with persistent sessions, through a Service with 2 gateways before one \
              mosquitto, which has the sessions. Then there are 3, and the new gateway gets no connection. MQTT guarantees delivery \
              at QoS 1, and exactly one at QoS 2.",
    reading: READING,
};

pub const AMQP: About = About {
    title: "AMQP: gateways before a broker are scaled out",
    problem: "pika and aio-pika publish with confirms and transactions, and consume with acknowledgments, through a Service with 2 \
              gateways before one RabbitMQ, which has the queues. Then there are 3, and the new gateway gets no connection.",
    reading: READING,
};

/// The client programs, by the names of tests/databases. Pools that recycle connections by themselves are left out: they
/// need no module. With the number of connections that they keep.
fn clients(system: System) -> (&'static [&'static str], u64) {
    match system {
        System::Postgresql => (&["psycopg_pool", "asyncpg", "hikari-pgjdbc"], 25),
        System::Mysql => (&["pymysql", "hikari-connector-j"], 24),
        System::Redis => (&["redis-py"], 23),
        System::Nats => (&["nats-py", "nats.go"], 19),
        System::Mqtt | System::MqttBridged => (&["paho", "mosquitto_sub"], 16),
        System::Amqp => (&["pika", "aio-pika"], 16),
    }
}

/// The age at which Envoy's own limit and the module act.
const AGE: &str = "3s";

/// How long programs start operations: beyond the end of the case.
const DURATION: Duration = Duration::from_secs(40);

pub async fn run(lab: &Lab, system: System) -> Result<Outcome> {
    let (names, connections) = clients(system);
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut programs = Vec::new();
    for client in Client::select(&[system], &names)? {
        programs.push((client, client.provide()?));
    }
    let sides = vec![
        Side::before(),
        Side::with_limits("envoy", json!({ "max_connection_duration": AGE })),
        Side::after(Contender::Protocol.policy(port(2), system.protocol())?),
    ];
    let mut site = lab.site(App::Server(system), sides, 3, 3).await?;
    site.serve(0..2).await?;
    let reports: [Arc<Reports>; 3] = Default::default();
    let client_groups = reports.iter().enumerate().map(|(side, reports)| {
        let target = target(&site, system, side);
        let tally = Arc::new(Tally::new(3));
        let start = |program| start(&site, lab.seed, program, &target, &tally, reports);
        programs.iter().map(start).collect()
    });
    let client_groups = client_groups.collect();
    site.watch(client_groups);
    // A program that connects after the change, on a busy machine, would reach the new pod without a drain.
    site.wait_for_connections(0, connections).await?;
    site.run_for(Duration::from_secs(4)).await;
    let changed = site.change(1, 0).await?;
    let end = site.run_for(Duration::from_secs(12)).await;
    let histories = site.finish().await?;

    let mut outcome = Outcome::new([]);
    for (history, reports) in histories.iter().zip(&reports) {
        let counts = reports.sum();
        let share = history.share_of_last(end - 6.0);
        outcome.sides.push(
            SideOutcome::connections(history, 2, &[(changed, "1 added")])
                .number("connections with the new pod, last 6 s, %", share)
                .number("operations", counts.operations as f64)
                .number("broken while in use", broken(&counts) as f64)
                .number("acknowledged and lost", counts.lost as f64)
                .number("delivered twice", counts.delivered_twice as f64)
                .number("not acknowledged, not delivered", counts.missed as f64)
                .number(
                    "found closed before their first statement",
                    counts.found_closed as f64,
                )
                .number("connections opened", counts.opened as f64)
                .number("drains", history.drains_since(0.0) as f64),
        );
        match history.name {
            "before" => outcome.check("before, the new pod gets no connection", share == 0.0),
            "after" => {
                outcome.check("after, the new pod gets connections", share > 0.0);
                let errors = reports.errors();
                outcome.check(
                    format!("after, nothing is broken, lost or delivered twice{errors}"),
                    counts.harm().iter().all(|(_, count)| *count == 0),
                );
            }
            _ => {}
        }
    }
    outcome.no_failures(&histories);
    Ok(outcome)
}

/// What the programs of a side reported.
#[derive(Default)]
struct Reports(Mutex<Vec<Report>>);

impl Reports {
    fn add(&self, reports: Vec<Report>) {
        self.lock().extend(reports);
    }

    fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for report in &*self.lock() {
            sum += &report.counts;
        }
        sum
    }

    fn errors(&self) -> String {
        self.lock().iter().flat_map(harmful).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Report>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the errors of operations that a drain must not break, for people.
fn harmful(report: &Report) -> impl Iterator<Item = String> {
    let errors = report.errors.iter();
    let harmful = errors.filter(|(error, _)| !error.starts_with("found_closed"));
    harmful.map(|(error, count)| format!(" ({count} x {}: {error})", report.operation))
}

/// What a connection was in use for when it was closed.
fn broken(counts: &Counts) -> u64 {
    counts.in_flight + counts.in_transaction + counts.unknown_outcome + counts.session_lost
}

fn target(site: &Site, system: System, side: usize) -> Target {
    let pods = site.started_pods();
    // Of MQTT and AMQP there is one broker.
    let servers = match system {
        System::Mqtt | System::Amqp => 1,
        _ => pods.len(),
    };
    Target {
        address: site.service(side).cluster_address(),
        servers: pods
            .iter()
            .take(servers)
            .map(|pod| pod.direct_address(side))
            .collect(),
        environment: pods[0].environment(),
        duration: DURATION,
    }
}

/// Starts a client program of a side.
fn start(
    site: &Site,
    seed: u64,
    (client, program): &(Client, Program),
    target: &Target,
    tally: &Arc<Tally>,
    reports: &Arc<Reports>,
) -> ClientGroup {
    let (client, program, target) = (*client, program.clone(), target.clone());
    let reports = Arc::clone(reports);
    ClientGroup::start(
        site.clients(),
        target.address,
        tally,
        (1, seed),
        move |caller| {
            let (program, target, reports) =
                (program.clone(), target.clone(), Arc::clone(&reports));
            async move {
                match run_client(client, &program, &target).await {
                    Ok(own) => reports.add(own),
                    Err(error) => caller.tally.count(Err(error)),
                }
            }
        },
    )
}
