//! How WebSocket libraries that reconnect react to the code of a Close frame.

use std::net::SocketAddr;

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::programs::{Program, node_with_websockets};
use crate::support::with_defaults;

/// A server that sends PINGs, and two clients behind the port on standard input. The outcome is the number of connections
/// and the close codes of each client. It is complete when the clients of the arguments have reconnected, and partysocket
/// has connected twice since sockette was closed: that takes a second, and sockette would reconnect after a millisecond.
const SCRIPT: &str = r"
import { createInterface } from 'node:readline';
import sockette from 'sockette';
import { WebSocket as PartySocket } from 'partysocket';
import { WebSocket, WebSocketServer } from 'ws';

globalThis.WebSocket = WebSocket;
const awaited = process.argv.slice(1);
const opened = { sockette: 0, partysocket: 0 };
const codes = { sockette: new Set(), partysocket: new Set() };
let enough = Infinity;
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
server.on('connection', (socket, request) => {
  opened[request.url.slice(1)] += 1;
  const pings = setInterval(() => socket.ping(), 50);
  socket.on('close', () => clearInterval(pings));
  if (opened.partysocket >= enough && awaited.every((name) => opened[name] > 1)) {
    const outcome = Object.entries(codes).map(([name, seen]) => [name, { codes: [...seen], opened: opened[name] }]);
    process.stdout.write(JSON.stringify(Object.fromEntries(outcome)), () => process.exit(0));
  }
});
server.on('listening', () => console.log(server.address().port));
createInterface({ input: process.stdin }).once('line', (port) => {
  const url = `ws://127.0.0.1:${port}`;
  const closed = (name, event) => codes[name].add(event.code);
  sockette(`${url}/sockette`, { timeout: 1, onclose: (event) => {
    closed('sockette', event);
    enough = Math.min(enough, opened.partysocket + 2);
  } });
  const options = { WebSocket, minReconnectionDelay: 500, maxReconnectionDelay: 500 };
  new PartySocket(`${url}/partysocket`, [], options).addEventListener('close', (event) => closed('partysocket', event));
});
setTimeout(() => { console.error(opened, codes); process.exit(1); }, 30000);
";

/// Returns the outcome with this close code, once the clients `awaited` have reconnected.
fn reconnects(websocket: &str, awaited: &[&str]) -> Value {
    let mut node = node_with_websockets().unwrap();
    let command = node.args(["--input-type=module", "-e", SCRIPT, "--"]);
    let program = Program::start(command.args(awaited)).unwrap();

    let runtime = Runtime::new().unwrap();
    let envoy = runtime.block_on(start(websocket, program.server()));
    let outcome = program.run_behind(envoy.address("in")).unwrap();
    serde_json::from_str(&outcome).unwrap()
}

async fn start(websocket: &str, server: SocketAddr) -> Envoy {
    let policy = with_defaults(&format!(
        r#""max_connection_age": "500ms", "websocket": {{"idle_time": "0s", "close_code": "{websocket}"}}"#
    ));
    let listener = Listener::http("in").route("/", "app");
    let bootstrap = Bootstrap::new()
        .cluster(Cluster::new("app", [server]))
        .listener(listener.evenkeel(Roles::Network, policy));
    Envoy::start(bootstrap).await.unwrap()
}

#[test]
fn after_1012_sockette_and_partysocket_reconnect() {
    let outcome = reconnects("service_restart", &["sockette", "partysocket"]);
    for name in ["sockette", "partysocket"] {
        assert_eq!(outcome[name]["codes"], json!([1012]), "{outcome}");
    }
}

#[test]
fn after_1001_sockette_does_not_reconnect_and_partysocket_does() {
    let outcome = reconnects("going_away", &["partysocket"]);
    assert_eq!(
        outcome["sockette"],
        json!({ "codes": [1001], "opened": 1 }),
        "{outcome}"
    );
    assert_eq!(outcome["partysocket"]["codes"], json!([1001]), "{outcome}");
}
