//! The exchanges that are counted, in the callbacks that Envoy makes.

mod sessions;

use std::time::Duration;

use evenkeel_test_frames::http2::{self, DATA, frame};
use evenkeel_test_frames::websocket::{
    TEXT, UPGRADE_RESPONSE, client_frame, server_frame, upgrade_request,
};
use evenkeel_test_host::{Connection, Stream};
use evenkeel_test_module::Proxy;
use evenkeel_test_module::http1::{get, head};
use evenkeel_test_module::pods::CLUSTER;

use super::Row;

/// How many exchanges are counted.
const EXCHANGES: u32 = 100;

/// How many connections carry them.
const CONNECTIONS: u32 = 8;

const PLAIN: &str = r#"{"version": 1}"#;
const ROUTES: &str = r#"{"version": 1, "routes": [
    {"name": "a", "match": {"path_prefix": "/a"}, "max_connection_age": "1h"},
    {"name": "b", "match": {"path_prefix": "/b"}, "max_connection_age": "2h"}]}"#;
const UPSTREAM: &str = r#"{"version": 1, "upstream": {"max_requests_per_connection": 50000}}"#;
const PEERS: &str = r#"{"version": 1, "rebalance": {}, "peers": {"cluster": "shop"}}"#;
const GATEWAY: &str = r#"{"version": 1, "rebalance": {}}"#;
const DRY_RUN: &str = r#"{"version": 1, "mode": "dry_run"}"#;
const TCP: &str = r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 8080}, "max_connection_age": "1h"}]}"#;
const WEBSOCKET: &str =
    r#"{"version": 1, "defaults": {"websocket": {"close_code": "going_away"}}}"#;
const EACH: &str = r#"{"version": 1, "budget": "off", "defaults": {"max_requests_per_connection": 1, "jitter": 0}}"#;

/// Which filters are installed.
#[derive(Clone, Copy, PartialEq)]
enum Roles {
    Network,
    Http,
    Both,
}

#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Http1,
    Http2,
    /// HTTP/2 from a client whose frames are not read.
    UnreadHttp2,
}

const PROTOCOLS: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::UnreadHttp2];

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1",
            Self::Http2 => "HTTP/2",
            Self::UnreadHttp2 => "HTTP/2 from curl",
        }
    }

    /// Opens a connection of it.
    fn open(self, connection: &Connection) {
        let client = match self {
            Self::Http1 => return,
            Self::Http2 => http2::ClientPreface::Go,
            Self::UnreadHttp2 => http2::ClientPreface::Curl,
        };
        connection.client_sends(client.bytes());
        connection.server_writes(http2::server_preface());
    }
}

/// The bodies of a request and of its response.
#[derive(Clone, Copy)]
struct Bodies {
    request: usize,
    response: usize,
}

const SMALL: Bodies = Bodies {
    request: 0,
    response: 5,
};

/// Measures every row.
pub fn measure() -> Vec<Row> {
    let mut rows = Vec::new();
    for (roles, policy, name) in [
        (Roles::Network, PLAIN, "network role"),
        (Roles::Http, PLAIN, "HTTP role"),
        (Roles::Both, PLAIN, "both roles"),
        (Roles::Both, ROUTES, "both roles, two routes by path"),
        (Roles::Both, UPSTREAM, "both roles, `upstream`"),
        (Roles::Both, PEERS, "both roles, `rebalance` and `peers`"),
        (
            Roles::Both,
            GATEWAY,
            "both roles, `rebalance` of upstream hosts",
        ),
        (Roles::Both, DRY_RUN, "both roles, dry run"),
    ] {
        for protocol in PROTOCOLS {
            // The HTTP role sees no difference, and `rebalance` needs the frames.
            let is_read = roles == Roles::Http || [PEERS, GATEWAY].contains(&policy);
            if protocol == Protocol::UnreadHttp2 && is_read {
                continue;
            }
            let name = format!("{}, {name}", protocol.name());
            rows.push(requests(name, policy, roles, protocol, SMALL));
        }
    }
    for protocol in PROTOCOLS {
        for (bodies, what) in [
            (
                Bodies {
                    request: 0,
                    response: 16 << 10,
                },
                "response of 16 KiB",
            ),
            (
                Bodies {
                    request: 16 << 10,
                    response: 5,
                },
                "request of 16 KiB",
            ),
        ] {
            let name = format!("{}, network role, {what}", protocol.name());
            rows.push(requests(name, PLAIN, Roles::Network, protocol, bodies));
        }
    }
    for protocol in [Protocol::Http2, Protocol::UnreadHttp2] {
        rows.push(grpc_messages(protocol));
    }
    rows.extend([websocket_messages(), tcp_messages()]);
    rows.extend(sessions::rows());
    rows.extend([
        connections("connection with one request, network role", PLAIN),
        connections(
            "connection with one request and a drain, network role",
            EACH,
        ),
        ticks("tick, no connections", PLAIN, 0),
        ticks("tick, 1,000 idle connections", PLAIN, 1000),
        ticks(
            "tick, 1,000 idle connections, `rebalance` and `peers`",
            PEERS,
            1000,
        ),
    ]);
    rows
}

/// Counts what `exchange` costs, after a first one.
fn count(name: impl Into<String>, proxy: &Proxy, mut exchange: impl FnMut(u32)) -> Row {
    exchange(0);
    let before = proxy.host.counts();
    (1..=EXCHANGES).for_each(exchange);
    Row {
        name: name.into(),
        counts: proxy.host.counts() - before,
        per: EXCHANGES.into(),
    }
}

/// Requests on several connections in turn, as in a proxy: what the module keeps of the last connection does not help.
fn requests(name: String, policy: &str, roles: Roles, protocol: Protocol, bodies: Bodies) -> Row {
    let proxy = Proxy::new(policy);
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let connection = if roles == Roles::Http {
                proxy.worker.accept()
            } else {
                proxy.network.connect()
            };
            protocol.open(&connection);
            connection
        })
        .collect();
    let exchange = |connection: &Connection, id| {
        request(connection, protocol, id, bodies.request);
        let stream = (roles != Roles::Network).then(|| start_stream(&proxy, connection, protocol));
        respond(connection, protocol, id, bodies.response);
        stream.inspect(Stream::ends);
    };
    for connection in &connections {
        exchange(connection, 1);
    }
    count(name, &proxy, |number| {
        let mut turn = connections.iter().cycle().skip(number as usize);
        let connection = turn.next().expect("the cycle does not end");
        exchange(connection, 2 * (number + 2) + 1);
    })
}

fn request(connection: &Connection, protocol: Protocol, id: u32, body: usize) {
    let bytes = vec![b'a'; body];
    match (protocol, body) {
        (Protocol::Http1, 0) => drop(connection.client_sends(get("/a"))),
        (Protocol::Http1, _) => {
            let fields = format!("host: shop.example\r\ncontent-length: {body}\r\n");
            connection.client_sends(format!("POST /a HTTP/1.1\r\n{fields}\r\n"));
            connection.client_sends(bytes);
        }
        (Protocol::Http2 | Protocol::UnreadHttp2, 0) => {
            drop(connection.client_sends(http2::get(id, "/a")))
        }
        (Protocol::Http2 | Protocol::UnreadHttp2, _) => {
            connection.client_sends(http2::post_headers(id, "/a"));
            connection.client_sends(frame(DATA, http2::END_STREAM, id, &bytes));
        }
    }
}

/// The HTTP role's callbacks until the response starts.
fn start_stream(proxy: &Proxy, connection: &Connection, protocol: Protocol) -> Stream {
    let stream = proxy.http.stream(connection);
    let version = match protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 | Protocol::UnreadHttp2 => "HTTP/2",
    };
    stream.set_property(&["request", "protocol"], version);
    stream.request_headers(
        &[
            (":authority", "shop.example"),
            (":path", "/a"),
            (":method", "GET"),
        ],
        true,
    );
    stream.set_property(&["upstream", "address"], "10.0.0.1:8080");
    stream.set_property(&["upstream", "local_address"], "10.0.0.2:40001");
    stream.set_property(&["xds", "cluster_name"], CLUSTER);
    let fields = [(":status", "200"), ("transfer-encoding", "chunked")];
    stream.response_headers(&fields, false);
    stream
}

fn respond(connection: &Connection, protocol: Protocol, id: u32, body: usize) {
    let bytes = vec![b'a'; body];
    match protocol {
        Protocol::Http1 => {
            connection.server_writes(head(&format!("content-length: {body}\r\n")));
            connection.server_writes(bytes);
            connection.server_writes("");
        }
        Protocol::Http2 | Protocol::UnreadHttp2 => {
            connection.server_writes(http2::response_headers(id));
            connection.server_writes(frame(DATA, http2::END_STREAM, id, &bytes));
        }
    }
}

fn grpc_messages(protocol: Protocol) -> Row {
    let proxy = Proxy::new(PLAIN);
    let connection = proxy.network.connect();
    protocol.open(&connection);
    connection.client_sends(http2::grpc_call(1, "/shop.Cart/Watch"));
    connection.server_writes(http2::response_headers(1));
    let message = frame(DATA, 0, 1, &[0; 69]);
    let name = match protocol {
        Protocol::UnreadHttp2 => "gRPC over HTTP/2 from curl, network role, a message each way",
        _ => "gRPC, network role, a message each way",
    };
    count(name, &proxy, |_| {
        connection.client_sends(&message);
        connection.server_writes(&message);
    })
}

fn websocket_messages() -> Row {
    let proxy = Proxy::new(WEBSOCKET);
    let connection = proxy.network.connect();
    connection.client_sends(upgrade_request("/chat"));
    connection.server_writes(UPGRADE_RESPONSE);
    count(
        "WebSocket, network role, a message each way",
        &proxy,
        |_| {
            connection.client_sends(client_frame(TEXT, &[0; 64]));
            connection.server_writes(server_frame(TEXT, &[0; 64]));
        },
    )
}

fn tcp_messages() -> Row {
    let proxy = Proxy::new(TCP);
    let connection = proxy.network.connect();
    connection.set_property(&["upstream", "address"], "10.0.0.7:8080");
    count("TCP, network role, 64 bytes each way", &proxy, |_| {
        connection.client_sends([0; 64]);
        connection.server_writes([0; 64]);
    })
}

/// Connections that open, carry one request and close.
fn connections(name: &str, policy: &str) -> Row {
    let proxy = Proxy::new(policy);
    count(name, &proxy, |_| {
        let connection = proxy.network.connect();
        request(&connection, Protocol::Http1, 1, 0);
        respond(&connection, Protocol::Http1, 1, SMALL.response);
        connection.client_closes();
    })
}

/// Ticks of one root, over whole seconds: some take a sample.
fn ticks(name: &str, policy: &str, idle: usize) -> Row {
    let proxy = Proxy::new(policy);
    proxy.host.add_cluster(CLUSTER);
    let open = || {
        let connection = proxy.network.connect();
        request(&connection, Protocol::Http1, 1, 0);
        respond(&connection, Protocol::Http1, 1, SMALL.response);
        connection
    };
    let connections: Vec<_> = std::iter::repeat_with(open).take(idle).collect();
    let row = count(name, &proxy, |_| {
        proxy.host.advance(Duration::from_millis(100))
    });
    drop(connections);
    row
}
