//! Keepalive PINGs, and gRPC servers that close connections with too many PINGs.

use std::net::SocketAddr;
use std::process::Command;

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::programs::{Program, python_with_grpc};

/// A gRPC server and a client behind the port on standard input: one call without data for the seconds of the argument.
/// The server allows a PING every 100 seconds without data (by default 300), and closes the connection at the third
/// violation (`GRPC_ARG_HTTP2_MAX_PING_STRIKES`).
const SCRIPT: &str = r#"
import sys, threading, grpc
from concurrent import futures

silence = float(sys.argv[1])
ended = threading.Event()

class Silent(grpc.GenericRpcHandler):
    def service(self, details):
        def call(request, context):
            ended.wait(silence)
            return b"done"
        return grpc.unary_unary_rpc_method_handler(call)

server = grpc.server(
    futures.ThreadPoolExecutor(2), options=[("grpc.http2.min_ping_interval_without_data_ms", 100_000)])
server.add_generic_rpc_handlers((Silent(),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
proxy = "127.0.0.1:" + sys.stdin.readline().strip()
with grpc.insecure_channel(proxy, options=[("grpc.enable_http_proxy", 0)]) as channel:
    try:
        print(channel.unary_unary("/test.Silent/Call")(b"", timeout=silence + 30).decode())
    except grpc.RpcError as error:
        print(error.code().name, error.details())
ended.set()
server.stop(None).wait()
"#;

/// Runs a call without data through an Envoy with the output of `evenkeel render envoy` for this `keepalive`; returns its
/// outcome.
fn silent_call(keepalive: &str, seconds: &str) -> String {
    let python = python_with_grpc().unwrap();
    let mut command = Command::new(python);
    let program = Program::start(command.args(["-c", SCRIPT, seconds])).unwrap();

    let runtime = Runtime::new().unwrap();
    let envoy = runtime.block_on(start(keepalive, program.server()));
    program.run_behind(envoy.address("in")).unwrap()
}

async fn start(keepalive: &str, server: SocketAddr) -> Envoy {
    let rendered = rendered(keepalive);
    let mut listener = Listener::http("in").route("/", "app");
    let to_clients = rendered
        .pointer("/http_connection_manager/http2_protocol_options/connection_keepalive/interval");
    if let Some(interval) = to_clients {
        listener = listener.keepalive(interval.as_str().unwrap());
    }
    let mut cluster = Cluster::new("app", [server]).http2();
    let options = &rendered["http2_cluster"]["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    let to_upstreams =
        options.pointer("/explicit_http_config/http2_protocol_options/connection_keepalive");
    if let Some(keepalive) = to_upstreams {
        cluster = cluster.keepalive(keepalive.clone());
    }
    // Each policy of the stories below has one of the two keys.
    assert!(to_clients.is_some() || to_upstreams.is_some(), "{rendered}");
    Envoy::start(Bootstrap::new().cluster(cluster).listener(listener))
        .await
        .unwrap()
}

fn rendered(keepalive: &str) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.json");
    let policy = format!(r#"{{"version": 1, "keepalive": {keepalive}}}"#);
    std::fs::write(&file, policy).unwrap();
    let rendered = evenkeel_cli::rendered(["envoy", file.to_str().unwrap()]).unwrap();
    serde_saphyr::from_str(&rendered).unwrap()
}

#[test]
fn downstream_keepalive_does_not_end_a_silent_grpc_call() {
    // Twice the time until the third violation.
    let outcome = silent_call(r#"{"http2": {"interval": "1s", "timeout": "10s"}}"#, "8");
    assert_eq!(outcome, "done");
}

#[test]
fn upstream_keepalive_that_is_too_frequent_ends_a_silent_grpc_call() {
    let pings = r#"{"upstream_http2": {"interval": "1s", "timeout": "10s"}}"#;
    let outcome = silent_call(pings, "60");
    assert!(outcome.starts_with("UNAVAILABLE"), "{outcome}");
}
