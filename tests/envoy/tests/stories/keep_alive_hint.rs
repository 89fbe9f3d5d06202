//! The `Keep-Alive` field announces the limits that apply.

use evenkeel_test_envoy::Roles;

use crate::support::programs::{node, output};
use crate::support::socket::{Socket, announces_close, field};
use crate::support::start_listeners;

const HINT: &str = r#"{"version": 1, "budget": "off", "keepalive": {"http1_hint": true},
    "defaults": {"jitter": 0, "max_connection_age": "1h", "max_requests_per_connection": 4}}"#;

#[tokio::test]
async fn hint_counts_down_to_connection_close() {
    let (envoy, _backend) = start_listeners(&[("in", Roles::Network, HINT)]).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    let mut heads = Vec::new();
    for _ in 0..4 {
        heads.push(socket.get("/").await.0);
    }

    for (head, left) in heads.iter().zip([Some(3), Some(2), Some(1), None]) {
        let hint = field(head, "keep-alive");
        assert_eq!(hint.is_some(), left.is_some(), "{head}");
        assert_eq!(announces_close(head), left.is_none());
        if let (Some(hint), Some(left)) = (hint, left) {
            let (timeout, max) = hint.split_once(", ").unwrap();
            assert_eq!(max, format!("max={left}"));
            let seconds: u64 = timeout.strip_prefix("timeout=").unwrap().parse().unwrap();
            assert!((3500..=3600).contains(&seconds), "{hint}");
        }
    }
}

/// Node's http.Agent with a timeout, and two requests one after another. A shorter hint, less a second, becomes the timeout
/// of the socket, also while the agent waits for the next response.
const NODE: &str = r"
const http = require('node:http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1, timeout: 30000 });
const get = (path) => new Promise((done) => {
  const request = http.get({ host: '127.0.0.1', port: Number(process.argv[1]), path, agent }, (response) => {
    response.resume();
    response.on('end', () => done(`${response.statusCode} ${response.headers['keep-alive']}`));
  });
  request.on('timeout', () => request.destroy(new Error('timeout')));
  request.on('error', (error) => done(error.message));
});
(async () => {
  console.log(await get('/'));
  console.log(await get('/delay/5000'));
  agent.destroy();
})();
";

#[tokio::test]
async fn node_agent_does_not_abort_a_response_longer_than_the_age() {
    let policy = HINT.replace("1h", "4s");
    let (envoy, _backend) = start_listeners(&[("in", Roles::Network, &policy)]).await;
    let port = envoy.address("in").port().to_string();

    let requests = move || output(node()?.args(["-e", NODE, "--", &port]));
    let outcome = evenkeel_test_tasks::block(requests).await;

    // The second response takes longer than the age limit, so it has no hint.
    assert_eq!(outcome.unwrap(), "200 timeout=60, max=3\n200 undefined\n");
}

#[tokio::test]
async fn http2_and_closing_responses_have_no_hint() {
    let (envoy, _backend) = start_listeners(&[("in", Roles::Network, HINT)]).await;
    let http2 = evenkeel_test_envoy::Client::http2(envoy.address("in"));
    assert_eq!(
        http2.get("/").await.unwrap().headers.get("keep-alive"),
        None
    );

    let mut closing = Socket::connect(envoy.address("in")).await;
    closing
        .send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;

    let head = closing.head().await;
    assert!(
        announces_close(&head) && field(&head, "keep-alive").is_none(),
        "{head}"
    );
}
