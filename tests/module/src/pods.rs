//! Pods of one service: proxies with several workers that exchange load reports. A test responds to their requests
//! itself, or a [`Fleet`] forwards them from pod to pod.

mod fleet;

use std::time::Duration;

use evenkeel_test_host::{Connection, Host, HttpCall, LocalResponse, Stream, module};
use serde_json::{Value, json};

use crate::http1::head;
use crate::{Proxy, TICK, http1, metric};
pub use fleet::Fleet;

/// Envoy's cluster of the service.
pub const CLUSTER: &str = "shop";

/// The path of the peer endpoint.
pub const PATH: &str = "/.evenkeel/v1/peers";

/// The header with the requester's message.
pub const HEADER: &str = "evenkeel-peers";

/// A policy with `peers` that trust anyone, and these further keys.
pub fn peers(keys: &str) -> String {
    format!(
        r#"{{"version": 1, "peers": {{"cluster": "{CLUSTER}", "trust": "anyone"}}, {keys}, "defaults": {{"max_connection_age": "off"}}}}"#
    )
}

/// The message of a pod: its own report and those of others, each with id and connections. All of them started long
/// ago, and got a peer request just now.
pub fn message(now: Duration, pods: impl IntoIterator<Item = (u64, u64)>) -> String {
    // As old as the clock: every later report is newer.
    let uptime = u64::try_from(now.as_millis()).expect("a test's clock");
    let row = |(id, connections)| json!([id, connections, 0, 0, 0, 1000, uptime, 0, 0]);
    let rows: Vec<Value> = pods.into_iter().map(row).collect();
    json!({ "v": 1, "peers": rows }).to_string()
}

/// The connections of each pod in a message, its sender first.
pub fn connections(message: impl AsRef<[u8]>) -> Vec<u64> {
    let message: Value = serde_json::from_slice(message.as_ref()).expect("a message is JSON");
    let rows = message["peers"].as_array().expect("a message has reports");
    let connections = |row: &Value| row[1].as_u64().expect("a report has connections");
    rows.iter().map(connections).collect()
}

/// The message of a request.
pub fn message_of(call: &HttpCall) -> String {
    let header = call.headers().into_iter().find(|(name, _)| name == HEADER);
    header.expect("a call tells what its pod knows").1
}

/// A pod's proxy: workers with both roles each.
pub struct Pod {
    /// The proxy.
    pub host: Host,
    /// Its workers.
    pub workers: Vec<Proxy>,
}

impl Pod {
    /// Starts a pod with this name.
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

    /// Opens connections on a worker, each with one request.
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

    /// The number of exchanges with this result.
    pub fn exchanges(&self, outcome: &str) -> u64 {
        self.metric(&format!(
            "exchange_result=.={outcome};.;evenkeel_peer_exchanges_total"
        ))
    }

    /// Advances the time, while the test responds to the requests.
    pub fn pass(&self, time: Duration, mut respond: impl FnMut(HttpCall)) {
        for _ in 0..time.as_millis() / TICK.as_millis() {
            self.host.advance(TICK);
            self.host.http_calls().into_iter().for_each(&mut respond);
        }
    }
}

impl Proxy {
    /// A pod sends a request with `message` on `connection`. Returns the module's response, unless the request goes to
    /// the application.
    pub fn peer_request(
        &self,
        connection: &Connection,
        message: &str,
    ) -> (Stream, Option<LocalResponse>) {
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

    /// A client sends a request. True if it gets a drain signal, after which it closes.
    ///
    /// # Panics
    /// If it gets anything else than the response.
    pub fn is_drained(&self, connection: &Connection) -> bool {
        let received = self.exchange(connection, "/");
        let is_drained = received == http1::response_with(http1::CLOSE);
        if is_drained {
            connection.client_closes();
        } else {
            assert_eq!(received, http1::response_with(""));
        }
        is_drained
    }
}
