//! Real clients, each of whose connections is moved after every second request, and none of whose requests
//! is lost, cut or executed twice.

use std::env;
use std::io::{Write, stderr};

use anyhow::{Result, bail};
use evenkeel_test_clients::{Against, Client, Load, Row, run};
use tokio::sync::Mutex;

/// The clients share two cores with the Envoy that they test: side by side they would only wait.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn httpx_over_http1_loses_none_of_10000_requests() {
    every_second_request_moves("httpx-h1", Load::gets(10_000)).await;
}

#[tokio::test]
async fn httpx_over_http2_loses_none_of_10000_requests() {
    every_second_request_moves("httpx-h2", Load::gets(10_000)).await;
}

#[tokio::test]
async fn curl_over_http1_loses_none_of_10000_requests() {
    every_second_request_moves("curl-h1", Load::gets(10_000)).await;
}

#[tokio::test]
async fn curl_over_http2_loses_none_of_10000_requests() {
    every_second_request_moves("curl-h2", Load::gets(10_000)).await;
}

#[tokio::test]
async fn go_over_http1_loses_none_of_10000_requests() {
    every_second_request_moves("go-h1", Load::gets(10_000)).await;
}

#[tokio::test]
async fn go_over_http2_loses_none_of_10000_requests() {
    every_second_request_moves("go-h2", Load::gets(10_000)).await;
}

#[tokio::test]
async fn httpx_over_http1_has_none_of_1000_posts_executed_twice() {
    every_second_request_moves("httpx-h1", Load::posts(1_000)).await;
}

#[tokio::test]
async fn httpx_over_http2_has_none_of_1000_posts_executed_twice() {
    every_second_request_moves("httpx-h2", Load::posts(1_000)).await;
}

#[tokio::test]
async fn curl_over_http1_has_none_of_1000_posts_executed_twice() {
    every_second_request_moves("curl-h1", Load::posts(1_000)).await;
}

#[tokio::test]
async fn curl_over_http2_has_none_of_1000_posts_executed_twice() {
    every_second_request_moves("curl-h2", Load::posts(1_000)).await;
}

#[tokio::test]
async fn go_over_http1_has_none_of_1000_posts_executed_twice() {
    every_second_request_moves("go-h1", Load::posts(1_000)).await;
}

#[tokio::test]
async fn go_over_http2_has_none_of_1000_posts_executed_twice() {
    every_second_request_moves("go-h2", Load::posts(1_000)).await;
}

#[tokio::test]
async fn go_over_http2_loses_none_of_10000_requests_of_8_goroutines() {
    moves_some("go-h2", Load::gets(10_000).concurrently(8)).await;
}

#[tokio::test]
async fn curl_over_http2_loses_none_of_10000_requests_of_which_8_run_at_a_time() {
    moves_some("curl-h2", Load::gets(10_000).concurrently(8)).await;
}

/// One at a time, a connection carries two requests; a fifth of the moves may come late.
async fn every_second_request_moves(client: &str, load: Load) {
    let Some(row) = row(client, load).await else {
        return;
    };
    assert!(row.is_whole(), "{row:#?}");
    assert!(row.announced * 10 >= load.requests * 4, "{row:#?}");
    assert_eq!(
        row.connections.unwrap_or(row.accepted),
        row.accepted,
        "{row:#?}"
    );
}

/// With several at a time on one connection, it waits for a moment that hurts none of them.
async fn moves_some(client: &str, load: Load) {
    let Some(row) = row(client, load).await else {
        return;
    };
    assert!(row.is_whole(), "{row:#?}");
    assert!(row.announced > 0, "{row:#?}");
}

async fn row(name: &str, load: Load) -> Option<Row> {
    let _turn = ONE_AT_A_TIME.lock().await;
    let [client] = Client::named(&[name.to_owned()]).unwrap()[..] else {
        panic!("{name} is not one client");
    };
    if client.language.version().is_none() {
        not_run(client).unwrap();
        return None;
    }
    let program = client.language.program(client.program, say).unwrap();
    let row = run(client, &program, load, Against::Evenkeel, |_| {}).await;
    Some(row.unwrap())
}

fn not_run(client: Client) -> Result<()> {
    let language = client.language.name();
    let what = format!("{}: not run: {language} is not installed", client.name);
    if env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        bail!("{what}; where CI is set, every client must");
    }
    say(&what);
    Ok(())
}

/// Past the test harness, which would show it only where a test has failed.
fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
