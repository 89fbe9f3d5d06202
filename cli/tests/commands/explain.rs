//! `evenkeel explain` on the command line.

use serde_json::{Value, json};

use crate::support::{Run, evenkeel, evenkeel_reading, repository};

fn explain(policy: &str, args: &[&str]) -> Run {
    let file = repository(&format!("policies/{policy}.json"));
    evenkeel(&[&["explain", &file], args].concat())
}

fn explained(policy: &str, args: &[&str]) -> Value {
    let run = explain(policy, &[args, &["--format", "json"]].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn request_shows_which_rule_wins_and_why_the_earlier_did_not() {
    let run = explain(
        "http-api",
        &["--request", "GET www.shop.example/events/7 route=default"],
    );
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(
        run.stdout,
        "\
GET www.shop.example/events/7 (received from another host, route default)

  routes[0] checkout, line 6: no
    direction    inbound         yes
    route        checkout-*      no, it is default
    authority    *.shop.example  yes
    path_prefix  /api/           no, it is /events/7
  routes[1] report-exports, line 12: no
    direction    inbound       yes
    path_prefix  /api/exports  no, it is /events/7
  routes[2] events, line 13: yes, and the first match wins
    direction    inbound  yes
    path_prefix  /events  yes

Decided by routes[2] events

  key                          value  from
  max_connection_age           10m    defaults, line 4
  mean_connection_age          off    built in
  jitter                       0.2    built in
  min_connection_age           30s    defaults, line 4
  drain_timeout                off    this rule, line 13
  close_delay                  1s     built in
  max_requests_per_connection  10000  defaults, line 4
  protect                      true   this rule, line 13
  http2.idle_wait              2s     built in
  http2.last_stream_id         auto   built in
  http2.when_active            defer  built in
  websocket.close_code         off    built in
  websocket.idle_time          2s     built in
  websocket.when_active        defer  built in
  websocket.idle_timeout       off    built in
  grpc.max_stream_age          off    built in
"
    );
}

#[test]
fn rules_after_the_match_are_not_tried() {
    let request = "shop.example:8080/api/cart route=checkout-eu";
    let report = explained("http-api", &["--request", &format!("www.{request}")]);
    let outcomes: Vec<_> = report["tried"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tried| &tried["outcome"])
        .collect();
    assert_eq!(outcomes, ["wins", "not-tried", "not-tried"]);
    assert_eq!(report["decided_by"]["name"], "checkout");
    let values = report["decided_by"]["values"].as_array().unwrap();
    assert_eq!(
        values[0],
        json!({ "key": "max_connection_age", "value": "2m", "from": "rule", "line": 9 })
    );
    assert!(values.contains(
        &json!({ "key": "drain_timeout", "value": "1m", "from": "defaults", "line": 4 })
    ));
}

#[test]
fn unmatched_requests_get_defaults_inbound_and_no_rule_outbound() {
    let inbound = explained("http-api", &["--request", "/"]);
    assert_eq!(inbound["decided_by"]["place"], "defaults");
    let outbound = explain("http-api", &["--request", "/ direction=outbound"]);
    assert!(
        outbound
            .stdout
            .contains("direction    inbound         no, it is outbound")
    );
    assert!(
        outbound.stdout.ends_with("the connection is bypassed.\n"),
        "{}",
        outbound.stdout
    );
}

#[test]
fn port_has_a_rule_for_either_direction() {
    let name = |connection: &str| {
        explained("postgresql", &["--connection", connection])["decided_by"]["name"].clone()
    };
    assert_eq!(name("5432"), "postgresql");
    assert_eq!(name("5432 direction=outbound"), "postgresql-pool");
    assert_eq!(name("6432"), Value::Null);
    let protocol = |connection: &str| {
        explained("postgresql", &["--connection", connection])["decided_by"]["parsed_as"].clone()
    };
    assert_eq!(protocol("5432"), "postgresql");
    let drain_timeout = r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 1}}]}"#;
    let run = evenkeel_reading(&["explain", "-", "--connection", "1"], drain_timeout);
    assert!(
        run.stdout
            .contains("  drain_timeout        30s          built in\n"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("max_requests_per_connection"));
}

#[test]
fn policy_is_described_with_its_drains_and_budget() {
    let run = explain("gateway", &["--connections", "5400"]);
    for expected in [
        "mode: enforce\n  Connections are drained.\n",
        "routes[2] shop, line 8: for requests with authority *.shop.example, on listeners that receive from other hosts\n",
        "  A connection is drained at an age of 16m to 20m.\n  It is drained after 800 to 1000 requests, too.\n",
        "  Of 5400 connections each lives for 18m on average: 5 drains per second, 300 per minute, 18000 per hour.\n",
        "  A connection is drained at random, at an age of 4h on average; at 19h12m to 1d at the latest.\n",
        "tcp[0] mqtt, line 11: for TCP on port 8883,",
        "  The rule with the most drains is redis: 6.67 per second with 5400 connections, 66.7 % of the budget.\n",
    ] {
        assert!(run.stdout.contains(expected), "{expected}\n{}", run.stdout);
    }
}

#[test]
fn requests_are_counted_when_their_rate_is_known() {
    let text = r#"{"version": 1, "defaults": {"max_requests_per_connection": 100, "jitter": 0}, "budget": {"per_second": 5}}"#;
    let by_age = evenkeel_reading(&["explain", "-"], text).stdout;
    assert!(by_age.contains("each lives for 30m on average"), "{by_age}");
    assert!(by_age.contains("--requests-per-second includes `max_requests_per_connection`"));
    let both = evenkeel_reading(&["explain", "-", "--requests-per-second", "1"], text).stdout;
    let expected = "each lives for 1m40s on average: 10 drains per second, 600 per minute, 36000 per hour. \
                    The budget allows 5 per second, so each lives for 3m20s.\n";
    assert!(both.contains(expected), "{both}");
}

#[test]
fn json_has_all_numbers() {
    let parts = explained("gateway", &["--connections", "5400"])["parts"].clone();
    let shop = parts
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["name"] == "shop")
        .unwrap();
    assert_eq!(
        (&shop["place"], &shop["line"]),
        (&json!("routes[2]"), &json!(8))
    );
    assert!((shop["drains_per_second"].as_f64().unwrap() - 5.0).abs() < 1e-6);
    assert!((shop["mean_lifetime_seconds"].as_f64().unwrap() - 1080.0).abs() < 1e-6);
}

#[test]
fn every_real_policy_can_be_explained() {
    for policy in [
        "gateway",
        "gateway-rebalance",
        "grpc",
        "http-api",
        "minimal",
        "dry-run",
        "postgresql",
        "rebalance",
        "websocket-chat",
    ] {
        let run = explain(policy, &[]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{policy}");
        assert!(run.stdout.contains("\ndefaults"), "{policy}");
        assert!(
            !run.stdout.contains("NaN") && !run.stdout.contains("inf "),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn invalid_policy_is_shown_as_by_check() {
    let file = repository("policies/invalid/several.json");
    let run = evenkeel(&["explain", &file]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    let checked = evenkeel(&["check", &file]).stdout;
    let findings = checked.rsplit_once("\n\nchecked").unwrap().0;
    let expected = format!("error: the policy {file} is invalid\n\n{findings}");
    assert_eq!(run.stderr.trim_end(), expected);
}

#[test]
fn wrong_command_line_or_file_ends_with_2() {
    let file = repository("policies/minimal.json");
    for (args, expected) in [
        (&["explain", &file, "--request", "GET"][..], "no path"),
        (&["explain", &file, "--request", "/ port=1"], "route=NAME"),
        (
            &["explain", &file, "--connection", "http"],
            "from 1 to 65535",
        ),
        (
            &["explain", &file, "--request", "/", "--connection", "1"],
            "cannot be used with",
        ),
        (
            &["explain", &file, "--requests-per-second", "0"],
            "from 0.000001",
        ),
        (&["explain", "no-such.json"], "cannot read no-such.json"),
        (&["explain"], "<FILE>"),
    ] {
        let run = evenkeel(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    }
}
