//! nginx with keep-alive to many pods.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::{Protocol, Tally};
use evenkeel_test_tools::debian::{self, Daemon};
use serde_json::json;

use super::{About, Lab};
use crate::client_group::ClientGroup;
use crate::history::max_over_mean;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};

pub const ABOUT: About = About {
    title: "A few nginx with `keepalive_requests 1000` before many pods",
    problem: "2 nginx (Debian's) forward requests to a Service with 6 pods, with `keepalive` and `keepalive_requests 1000`, as an \
              ingress does. Each has two clients and so about two connections: a few pods receive everything, and 1,000 requests \
              take a while.",
    reading: "With the module, a connection is drained after 20 requests, and all pods receive requests.",
};

const PODS: usize = 6;
const NGINX: u8 = 2;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let policy = json!({
        "version": 1,
        "defaults": { "max_requests_per_connection": 20 },
        "budget": { "per_second": 50, "burst": 20 },
    });
    let sides = vec![Side::before(), Side::after(policy)];
    let mut site = lab.site(App::Http, sides, PODS, PODS).await?;
    let program = debian::binary("nginx", "nginx")?;
    let mut hosts = 211..;
    let (mut proxies, mut client_groups) = (Vec::new(), Vec::new());
    for side in 0..2 {
        let service = site.service(side).cluster_address();
        let tally = Arc::new(Tally::new(PODS));
        let mut of_side = Vec::new();
        for host in hosts.by_ref().take(NGINX.into()) {
            let namespace = site.network().pod(host).await?;
            let program = program.clone();
            let start = namespace.spawn(async move {
                Daemon::start(&program, |directory, [address]| {
                    configure(directory, address, service)
                })
                .await
            });
            let (daemon, [address]) = start.join().await?;
            of_side.push(ClientGroup::start(
                &namespace,
                address,
                &tally,
                (2, lab.seed),
                |caller| caller.call(Protocol::Http1, Duration::from_millis(10)),
            ));
            // The daemon ends before its namespace.
            proxies.push((daemon, namespace));
        }
        client_groups.push(of_side);
    }
    site.watch(client_groups);
    site.run_for(Duration::from_secs(12)).await;
    let histories = site.finish().await?;

    let loads: Vec<_> = histories
        .iter()
        .map(|history| history.requests_since(0.0))
        .collect();
    let idle = |load: &[u64]| load.iter().filter(|requests| **requests == 0).count();
    let mut outcome = Outcome::new(histories.iter().zip(&loads).map(|(history, load)| {
        SideOutcome::requests(history, PODS, &[])
            .number("pods without a request", idle(load) as f64)
            .number("requests, busiest pod / mean", max_over_mean(load))
            .counts(history)
    }));
    outcome.check("before, pods receive nothing", idle(&loads[0]) > 0);
    outcome.check("after, every pod receives requests", idle(&loads[1]) == 0);
    outcome.check(
        "after, the busiest pod has at most 1.6 times the mean",
        max_over_mean(&loads[1]) <= 1.6,
    );
    outcome.no_failures(&histories);
    Ok(outcome)
}

fn configure(
    directory: &Path,
    address: SocketAddr,
    service: SocketAddr,
) -> Result<(Vec<String>, PathBuf)> {
    let (file, path) = (directory.join("nginx.conf"), directory.display());
    let configuration = format!(
        "daemon off;\nworker_processes 1;\npid {path}/nginx.pid;\nevents {{}}\nhttp {{\n\
         access_log off;\nclient_body_temp_path {path}/client;\nproxy_temp_path {path}/proxy;\n\
         fastcgi_temp_path {path}/fastcgi;\nuwsgi_temp_path {path}/uwsgi;\nscgi_temp_path {path}/scgi;\n\
         keepalive_requests 1000000;\n\
         upstream service {{ server {service}; keepalive 16; keepalive_requests 1000; }}\n\
         server {{\nlisten {address};\nlocation / {{\nproxy_pass http://service;\nproxy_http_version 1.1;\n\
         proxy_set_header Connection \"\";\n}}\n}}\n}}\n"
    );
    fs::write(&file, configuration)?;
    let arguments = [
        "-e",
        "stderr",
        "-p",
        &path.to_string(),
        "-c",
        &file.display().to_string(),
    ];
    // nginx writes it when its socket listens.
    Ok((
        arguments.map(str::to_owned).into(),
        directory.join("nginx.pid"),
    ))
}
