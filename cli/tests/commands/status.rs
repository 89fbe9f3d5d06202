//! `evenkeel status`, on pages as an Envoy shows them, over HTTP and from files.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::Value;

use crate::support::{Run, evenkeel, evenkeel_reading};

/// The metrics of a pod that rebalances with three others.
const FULL: &str = r#"# TYPE envoy_server_live gauge
envoy_server_live{} 1
# TYPE evenkeel_downstream_connections_active gauge
evenkeel_downstream_connections_active{} 40
evenkeel_downstream_connections_age_sum_seconds{} 4000
evenkeel_rebalanced_load_connections{} 40
evenkeel_peers_known{} 3
evenkeel_peers_mean_connections{} 20
evenkeel_workers_rebalancing{} 1
evenkeel_downstream_connections_total{connection_protocol="http1"} 50
evenkeel_requests_total{connection_protocol="http1"} 1000
evenkeel_connections_expired_total{drain_reason="rebalance"} 12
evenkeel_drain_signals_total{drain_reason="rebalance"} 10
evenkeel_connections_drained_total{drain_reason="rebalance",closed_by="client"} 10
evenkeel_drain_budget_exhausted_total{} 2
evenkeel_policy_updates_total{update_result="accepted"} 4
evenkeel_policy_rejected{} 0
evenkeel_upstream_requests_total{upstream_host="10.0.0.1:80"} 300
evenkeel_upstream_requests_total{upstream_host="10.0.0.2:80"} 100
"#;

/// Responds to each request with the next page, and then always with the last one; `None` is a 404.
fn serve(pages: Vec<Option<String>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut pages = pages.into_iter().peekable();
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = Vec::new();
            let mut chunk = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..read]);
            }
            assert!(request.starts_with(b"GET /stats/prometheus HTTP/1.1\r\n"));
            let page = pages.next_if(|_| true);
            let page = page.unwrap_or_default();
            if pages.peek().is_none() {
                // The last page remains.
                pages = vec![page.clone()].into_iter().peekable();
            }
            let (status, body) = match page {
                Some(page) => ("200 OK", page),
                None => ("404 Not Found", "nothing here".to_owned()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    address
}

fn status(arguments: &[&str]) -> Run {
    evenkeel(&[&["status"], arguments].concat())
}

#[test]
fn pod_shows_its_load_and_drains() {
    let address = serve(vec![Some(FULL.to_owned())]).to_string();

    let output = status(&[&address]);

    assert_eq!(output.code, 0, "{output:?}");
    let expected = format!(
        "\
{address}  drains connections
  note         2 drains had to wait for the budget
               For minutes after a deployment the budget works as intended. For hours it is too small for the
               limits: raise `budget.per_second`, or the ages.
  connections  40 open, mean age 1m40s; opened since the start: 50 http1
  drained      expired since the start: 12 rebalance; drain signals: 10 rebalance; closed by: 10 client
  delayed      2 waited for the budget
  peers        has 2.00 x the mean load of 4 pods (40 to 20); is rebalancing
  upstream     2 hosts by requests: the highest has 1.50 x the mean; Jain's index 0.80
               10.0.0.1:80  ██████████████████████████████ 300
               10.0.0.2:80  ██████████ 100
"
    );
    assert_eq!(output.stdout, expected);
}

#[test]
fn problems_come_first_and_end_with_1() {
    let page =
        format!("{FULL}evenkeel_requests_aborted_total{{drain_reason=\"max_connection_age\"}} 3\n");
    let address = serve(vec![Some(page)]).to_string();

    let output = status(&[&address]);

    assert_eq!(output.code, 1, "{output:?}");
    let shown = &output.stdout;
    let second = shown.lines().nth(1).unwrap();
    assert_eq!(second, "  problem      3 requests were aborted");
    assert!(shown.contains("`protect` routes that stream."), "{shown}");
}

#[test]
fn several_pods_are_compared_and_an_unreachable_one_is_reported() {
    let idle = FULL.replace("_active{} 40", "_active{} 10").replace(
        "rebalanced_load_connections{} 40",
        "rebalanced_load_connections{} 10",
    );
    let full = serve(vec![Some(FULL.to_owned())]).to_string();
    let idle = serve(vec![Some(idle)]).to_string();

    let output = status(&[&full, &idle]);

    let shown = &output.stdout;
    assert_eq!(output.code, 0, "{output:?}");
    let first = shown.lines().next().unwrap();
    assert_eq!(
        first,
        "2 pods by connections: the highest has 1.60 x the mean; Jain's index 0.74"
    );

    // Nothing listens on a port whose listener was dropped.
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = status(&[&full, &gone.to_string()]);

    let shown = &output.stdout;
    assert_eq!(output.code, 1, "{output:?}");
    assert!(
        shown.starts_with(&format!(
            "problem  cannot read http://{gone}/stats/prometheus: "
        )),
        "{shown}"
    );
    assert!(shown.contains("has 2.00 x the mean load"), "{shown}");
}

#[test]
fn watching_shows_rates() {
    let later = FULL.replace(
        "evenkeel_requests_total{connection_protocol=\"http1\"} 1000",
        "evenkeel_requests_total{connection_protocol=\"http1\"} 9000",
    );
    let address = serve(vec![Some(FULL.to_owned()), Some(later)]).to_string();

    let output = status(&["--watch=1", "--count=2", "--format=json", &address]);

    let shown = &output.stdout;
    let reads: Vec<Value> = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(reads.len(), 2, "{output:?}");
    assert_eq!(reads[0]["pods"][0]["since"], Value::Null);
    let since = &reads[1]["pods"][0]["since"];
    let requests = since["requests"].as_f64().unwrap() * since["seconds"].as_f64().unwrap();
    assert!((requests - 8000.0).abs() < 1.0, "{since}");
    assert_eq!(reads[1]["pods"][0]["peers"]["over_mean"], 2.0);
}

#[test]
fn files_and_stdin_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stats");
    fs::write(
        &file,
        "server.live: 1\nwasmcustom.evenkeel_downstream_connections_active: 7\n",
    )
    .unwrap();

    let output = status(&[&file.display().to_string()]);
    assert!(output.stdout.contains("7 open"), "{output:?}");

    let output = evenkeel_reading(&["status", "-"], FULL);
    assert!(
        output
            .stdout
            .starts_with("standard input  drains connections\n"),
        "{output:?}"
    );
}

#[test]
fn unreadable_sources_give_a_hint() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nothing = serve(vec![None]);
    let foreign = serve(vec![Some("<html>welcome</html>".to_owned())]);
    let without = serve(vec![Some("envoy_server_live{} 1\n".to_owned())]);
    for (address, says) in [
        (gone, "Is the proxy running, and its port forwarded?"),
        (nothing, "responds with 404: is it Envoy's admin interface"),
        (foreign, "these are not Envoy's metrics"),
        (
            without,
            "this Envoy has no metrics of Evenkeel: is the module loaded?",
        ),
    ] {
        let output = status(&[&address.to_string()]);

        assert_eq!(output.code, 1, "{output:?}");
        let shown = &output.stderr;
        assert!(
            shown.starts_with("error: ") && shown.contains(says),
            "{shown}"
        );
    }

    let output = status(&["nowhere"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(
        output
            .stderr
            .contains("nowhere: no such file; an address is"),
        "{output:?}"
    );
}
