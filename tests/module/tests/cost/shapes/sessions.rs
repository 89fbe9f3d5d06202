//! An operation of each protocol of databases and brokers.

use std::time::Duration;

use evenkeel_test_host::ClosedBy;
use evenkeel_test_module::Proxy;

use super::{Row, count};

/// One connection to a database or broker.
struct Session {
    protocol: &'static str,
    operation: &'static str,
    /// What is sent until the first operation, in turns; the client begins. An empty one is not sent.
    handshake: &'static [&'static [u8]],
    request: &'static [u8],
    response: &'static [u8],
}

const SESSIONS: [Session; 6] = [
    Session {
        protocol: "postgresql",
        operation: "a query",
        handshake: &[
            b"\0\0\0\x10\0\x03\0\0user\0a\0\0",
            b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
        ],
        request: b"Q\0\0\0\x0dSELECT 1\0",
        response: b"D\0\0\0\x0b\0\x01\0\0\0\x011C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I",
    },
    Session {
        protocol: "mysql",
        operation: "a statement",
        handshake: &[
            b"",
            b"\x4a\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0mysql_native_password\0",
            b"\x21\0\0\x01\x05\xa2\x0b\0\0\0\0\x01\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\x07\0\0\x02\0\0\0\x02\0\0\0",
        ],
        request: b"\x05\0\0\0\x03DO 1",
        response: b"\x07\0\0\x01\0\0\0\x02\0\0\0",
    },
    Session {
        protocol: "redis",
        operation: "a command",
        handshake: &[],
        request: b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        response: b"$5\r\nhello\r\n",
    },
    Session {
        protocol: "nats",
        operation: "a message each way",
        handshake: &[
            b"",
            b"INFO {\"server_id\":\"a\"}\r\n",
            b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n",
            b"PONG\r\n",
        ],
        request: b"PUB b 5\r\nhello\r\n",
        response: b"MSG a 1 5\r\nhello\r\n",
    },
    Session {
        protocol: "mqtt",
        operation: "a message with QoS 1",
        handshake: &[b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a", b"\x20\x02\0\0"],
        request: b"\x32\x0a\0\x01a\0\x01hello",
        response: b"\x40\x02\0\x01",
    },
    Session {
        protocol: "amqp",
        operation: "a method each way",
        handshake: &[
            b"AMQP\0\0\x09\x01",
            b"\x01\0\0\0\0\0\x04\0\x0a\0\x0a\xce",
            b"\x01\0\0\0\0\0\x04\0\x0a\0\x0b\xce",
            b"\x01\0\0\0\0\0\x04\0\x0a\0\x1e\xce",
            b"\x01\0\0\0\0\0\x04\0\x0a\0\x1f\xce\x01\0\0\0\0\0\x04\0\x0a\0\x28\xce",
            b"\x01\0\0\0\0\0\x04\0\x0a\0\x29\xce",
            b"\x01\0\x01\0\0\0\x04\0\x14\0\x0a\xce",
            b"\x01\0\x01\0\0\0\x04\0\x14\0\x0b\xce",
        ],
        // Basic.Get of the queue `a`, and Get-Empty.
        request: b"\x01\0\x01\0\0\0\x09\0\x3c\0\x46\0\0\x01a\0\xce",
        response: b"\x01\0\x01\0\0\0\x05\0\x3c\0\x48\0\xce",
    },
];

/// Measures one operation of each.
pub fn rows() -> Vec<Row> {
    SESSIONS.iter().map(row).collect()
}

fn row(session: &Session) -> Row {
    let protocol = session.protocol;
    let policy = format!(
        r#"{{"version": 1, "tcp": [{{"name": "a", "match": {{"port": 8080}}, "protocol": "{protocol}",
            "max_connection_age": "60s"}}], "budget": "off"}}"#
    );
    let proxy = Proxy::new(&policy);
    let connection = proxy.network.connect();
    connection.set_property(&["destination", "port"], 8080_i64.to_le_bytes());
    connection.set_property(&["upstream", "address"], "10.0.0.7:8080");
    for pair in session.handshake.chunks(2) {
        if let Some(request) = pair.first().filter(|bytes| !bytes.is_empty()) {
            connection.client_sends(request);
        }
        if let Some(response) = pair.get(1) {
            connection.server_writes(response);
        }
    }
    let name = format!("{protocol}, network role, {}", session.operation);
    let row = count(name, &proxy, |_| {
        connection.client_sends(session.request);
        connection.server_writes(session.response);
    });
    // A connection that is not understood would be cheap, and stays open.
    proxy.host.advance(Duration::from_secs(120));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module), "{protocol}");
    row
}
