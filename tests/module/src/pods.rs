//! Pods of one service: proxies of several workers that tell each other what they carry. Their questions
//! are answered by a test itself, or carried from pod to pod by a [`Fleet`].

mod fleet;

use std::time::Duration;

use evenkeel_test_host::{Connection, Host, HttpCall, LocalResponse, Stream, module};
use serde_json::{Value, json};

use crate::http1::head;
use crate::{Proxy, http1, metric};
pub use fleet::Fleet;

/// Envoy's cluster of the service.
pub const CLUSTER: &str = "shop";

/// Where a pod is asked.
pub const PATH: &str = "/.evenkeel/v1/peers";

/// The header with what the one who asks tells.
pub const HEADER: &str = "evenkeel-peers";

/// A policy in which pods exchange, with everybody, and these further keys.
pub fn peers(keys: &str) -> String {
    format!(
        r#"{{"version": 1, "peers": {{"cluster": "{CLUSTER}", "trust": "anyone"}}, {keys}, "defaults": {{"max_connection_age": "off"}}}}"#
    )
}

/// What a pod with this id tells of itself, and behind it of others: each with its id and connections. All
/// have begun long ago, and were asked just now.
pub fn message(now: Duration, pods: impl IntoIterator<Item = (u64, u64)>) -> String {
    // As long ago as the clock's beginning: what is told later is later news.
    let uptime = u64::try_from(now.as_millis()).expect("a test's clock");
    let row = |(id, connections)| json!([id, connections, 0, 0, 0, 1000, uptime, 0, 0]);
    let rows: Vec<Value> = pods.into_iter().map(row).collect();
    json!({ "v": 1, "peers": rows }).to_string()
}

/// The connections of each pod that a message tells of, its sender first.
pub fn connections(message: impl AsRef<[u8]>) -> Vec<u64> {
    let message: Value = serde_json::from_slice(message.as_ref()).expect("a message is JSON");
    let rows = message["peers"].as_array().expect("a message has reports");
    let connections = |row: &Value| row[1].as_u64().expect("a report has connections");
    rows.iter().map(connections).collect()
}

/// What a question tells.
pub fn told(question: &HttpCall) -> String {
    let header = question
        .headers()
        .into_iter()
        .find(|(name, _)| name == HEADER);
    header.expect("a question tells what its pod knows").1
}

/// A pod's proxy: workers with both roles each.
pub struct Pod {
    /// The proxy.
    pub host: Host,
    /// Its workers.
    pub workers: Vec<Proxy>,
}

impl Pod {
    /// Starts a pod of that name.
    pub fn start(name: &str, workers: usize, policy: &str) -> Self {
        let host = Host::new(&module());
        host.add_cluster(CLUSTER);
        let node = format!("sidecar~10.0.0.2~{name}.default~default.svc.cluster.local");
        let workers = (0..workers)
            .map(|_| {
                // No two workers start at the same nanosecond.
                host.advance(Duration::from_millis(1));
                Proxy::join(&host, &node, policy)
            })
            .collect();
        Self { host, workers }
    }

    /// Opens connections on a worker; each has carried a request.
    pub fn open(&self, worker: usize, count: usize) -> Vec<Connection> {
        let proxy = &self.workers[worker];
        let open = || {
            let connection = proxy.network.connect();
            proxy.exchange(&connection, "/first");
            connection
        };
        std::iter::repeat_with(open).take(count).collect()
    }

    /// A metric without labels, or with its labels before it.
    ///
    /// # Panics
    /// As [`metric`].
    pub fn metric(&self, name: &str) -> u64 {
        metric(&self.host, name)
    }

    /// What came of the exchanges so far.
    pub fn exchanges(&self, outcome: &str) -> u64 {
        self.metric(&format!(
            "exchange_result=.={outcome};.;evenkeel_peer_exchanges_total"
        ))
    }

    /// Passes so much time, in which the test answers the questions.
    pub fn pass(&self, time: Duration, mut answer: impl FnMut(HttpCall)) {
        for _ in 0..time.as_millis() / STEP.as_millis() {
            self.host.advance(STEP);
            self.host.http_calls().into_iter().for_each(&mut answer);
        }
    }
}

/// As often a pod's worker ticks.
const STEP: Duration = Duration::from_millis(100);

impl Proxy {
    /// A pod asks on `connection` and tells `message`. What the module answers, if it does not leave that
    /// to the app.
    pub fn asked(&self, connection: &Connection, message: &str) -> (Stream, Option<LocalResponse>) {
        let fields =
            format!("GET {PATH} HTTP/1.1\r\nhost: evenkeel\r\n{HEADER}: {message}\r\n\r\n");
        connection.client_sends(fields);
        let stream = self.http.stream(connection);
        let headers = [
            (":authority", "evenkeel"),
            (":path", PATH),
            (":method", "GET"),
            (HEADER, message),
        ];
        stream.request_headers(&headers, true);
        let response = stream.local_response();
        if let Some(response) = &response {
            let length = format!("content-length: {}\r\n", response.body.len());
            connection.server_writes(head(&length));
            connection.server_writes(&response.body);
            stream.ends();
        }
        (stream, response)
    }

    /// A client asks; true when it is told that the connection ends, upon which it goes.
    ///
    /// # Panics
    /// When it is told anything else than the answer.
    pub fn is_announced(&self, connection: &Connection) -> bool {
        let received = self.exchange(connection, "/");
        let announced = received == http1::answer(http1::CLOSE);
        if announced {
            connection.client_closes();
        } else {
            assert_eq!(received, http1::answer(""));
        }
        announced
    }
}
