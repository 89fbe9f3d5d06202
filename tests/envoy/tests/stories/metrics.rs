//! The module's numbers, as Prometheus is shown them.

use std::collections::BTreeMap;

use evenkeel_test_envoy::{Envoy, eventually};

use crate::support::config::{self, Entry, http_listener};
use crate::support::frames::{Greeting, RawClient};
use crate::support::healthy;
use crate::support::server::{Server, ok, path};
use crate::support::socket::{Socket, closes, get};

/// Each line of `/stats/prometheus` that is the module's.
async fn shown(envoy: &Envoy) -> BTreeMap<String, u64> {
    let text = envoy.admin("/stats/prometheus").await.unwrap();
    let line = |line: &str| {
        let (name, value) = line.strip_prefix("evenkeel_")?.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().unwrap()))
    };
    text.lines().filter_map(line).collect()
}

const POLICY: &str = r#"{"version": 1, "budget": {"per_second": 0.001, "burst": 5},
    "defaults": {"jitter": 0, "max_requests": 2, "linger": "200ms", "quiet_wait": "0s", "grace": "400ms"},
    "routes": [{"name": "other", "match": {"path_prefix": "/other"}, "max_requests": "off"}],
    "upstream": {"max_requests": 1000000}}"#;

/// What is 0 is shown as well: whoever writes an alert must find its metric before it is needed.
#[tokio::test]
async fn every_number_is_there_from_the_start_under_its_name_and_labels() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let entry = |kind, root| Entry {
        kind,
        root,
        vm_id: "e",
        policy: POLICY,
    };
    let listener = http_listener("in", 0, &[entry("network", "n")], &[entry("http", "h")]);
    let envoy = config::start(&config::whole(&[listener], server.address)).await;
    let shown = shown(&envoy).await;

    let mut expected = Vec::new();
    for protocol in ["http1", "http2", "websocket", "tcp"] {
        expected.push(format!(r#"connections_total{{protocol="{protocol}"}}"#));
        expected.push(format!(r#"requests_total{{protocol="{protocol}"}}"#));
    }
    for reason in [
        "max_age",
        "mean_age",
        "max_requests",
        "max_stream_age",
        "shed",
    ] {
        for name in ["due", "announced", "cut", "observed", "untold"] {
            expected.push(format!(r#"{name}_total{{reason="{reason}"}}"#));
        }
        for by in ["client", "proxy", "evenkeel"] {
            expected.push(format!(r#"closed_total{{reason="{reason}",by="{by}"}}"#));
        }
    }
    for cause in [
        "start_line",
        "field",
        "head_too_long",
        "framing",
        "out_of_step",
        "frame",
        "too_many_streams",
        "message",
        "unreadable",
        "tunnel",
    ] {
        expected.push(format!(r#"opaque_total{{cause="{cause}"}}"#));
    }
    for outcome in [
        "answered",
        "failed",
        "asked",
        "refused_stranger",
        "malformed",
        "too_long",
        "version",
    ] {
        expected.push(format!(r#"exchanges_total{{outcome="{outcome}"}}"#));
    }
    for plain in [
        "budget_refused_total",
        "put_off_total",
        "streams_ended_total",
        "unjoined_total",
        "policy_errors_total",
        "policy_loads_total",
        "upstream_due_total",
        "upstream_recycled_total",
        "upstream_stray_total",
        "reports_dropped_total",
        "connections_active",
        "load_connections",
        "load_active_requests",
        "load_requests_per_second",
        "load_bytes_per_second",
        "peers",
        "peers_mean_connections",
        "shedding",
    ] {
        expected.push(format!("{plain}{{}}"));
    }
    let missing: Vec<_> = expected
        .iter()
        .filter(|name| !shown.contains_key(*name))
        .collect();
    let unknown: Vec<_> = shown
        .keys()
        .filter(|name| !expected.contains(name))
        .collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing {missing:?}\nunknown {unknown:?}"
    );
}

#[tokio::test]
async fn the_numbers_add_up_with_what_the_clients_saw() {
    let server = Server::start(|head| {
        if path(head) == "/hold" {
            // The head, and never the rest.
            return Some(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab".to_vec());
        }
        Some(ok("a"))
    })
    .await;
    let entry = |kind, root| Entry {
        kind,
        root,
        vm_id: "e",
        policy: POLICY,
    };
    let listener = http_listener("in", 0, &[entry("network", "n")], &[entry("http", "h")]);
    let envoy = config::start(&config::whole(&[listener], server.address)).await;
    let to = envoy.address("in");

    // Three clients that close after their second answer, and one that never does.
    let mut staying = Socket::connect(to).await;
    for number in 0..4 {
        let mut socket = Socket::connect(to).await;
        for last in [false, true] {
            socket.send(get("/")).await;
            assert_eq!(closes(&socket.answer().await.0), last);
        }
        if number == 3 {
            staying = socket;
        }
    }
    assert_eq!(staying.rest().await, b"");
    // One whose second answer never ends: told, and cut.
    let mut held = RawClient::connect(to, Greeting::Go).await;
    held.get(1, "/hold").await;
    held.get(3, "/").await;
    held.goaway().await;
    held.socket.ended().await;
    // One that the budget has nothing left for, and one that nobody understands.
    let mut refused = Socket::connect(to).await;
    for _ in 0..3 {
        refused.send(get("/")).await;
        assert!(!closes(&refused.answer().await.0));
    }
    let mut folded = Socket::connect(to).await;
    folded
        .send("GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n")
        .await;
    folded.answer().await;

    let upstream = server.address;
    let expected = [
        (r#"connections_total{protocol="http1"}"#.to_owned(), 5),
        (r#"requests_total{protocol="http1"}"#.to_owned(), 11),
        (r#"connections_total{protocol="http2"}"#.to_owned(), 1),
        (r#"requests_total{protocol="http2"}"#.to_owned(), 2),
        (r#"due_total{reason="max_requests"}"#.to_owned(), 6),
        (r#"announced_total{reason="max_requests"}"#.to_owned(), 5),
        (
            r#"closed_total{reason="max_requests",by="client"}"#.to_owned(),
            3,
        ),
        (
            r#"closed_total{reason="max_requests",by="evenkeel"}"#.to_owned(),
            2,
        ),
        (r#"cut_total{reason="max_requests"}"#.to_owned(), 1),
        ("budget_refused_total{}".to_owned(), 1),
        (r#"opaque_total{cause="field"}"#.to_owned(), 1),
        (r#"clients_total{family="go"}"#.to_owned(), 1),
        (
            r#"goaway_total{family="go",goaway="max",moment="busy"}"#.to_owned(),
            1,
        ),
        // The two that nobody closed.
        ("connections_active{}".to_owned(), 2),
        (
            format!(r#"upstream_requests_total{{upstream="{upstream}"}}"#),
            14,
        ),
        (
            format!(r#"upstream_active_requests{{upstream="{upstream}"}}"#),
            0,
        ),
    ];
    let differ = |now: &BTreeMap<String, u64>| {
        let wrong = |(name, value): &&(String, u64)| now.get(name) != Some(value);
        let wrong = expected.iter().filter(wrong);
        let lines =
            wrong.map(|(name, value)| format!("{name} is {:?}, not {value}", now.get(name)));
        lines.collect::<Vec<_>>()
    };
    let agree = eventually("the numbers", || async {
        differ(&shown(&envoy).await).is_empty().then_some(())
    });
    let agree = agree.await;
    assert!(agree.is_ok(), "{:#?}", differ(&shown(&envoy).await));
    healthy(&envoy);
}
