//! Databases and brokers: each protocol's connection is closed after what was in flight, and nothing is lost.

use evenkeel_test_envoy::Envoy;
use tokio::net::TcpListener;

use crate::support::socket::Socket;
use crate::support::{
    assert_metric, assert_metric_with, wait_for_metric, wait_for_metric_with, within,
};
use crate::tcp::gateway;

/// Who sends some bytes.
#[derive(Clone, Copy)]
enum Step {
    Client(&'static [u8]),
    Server(&'static [u8]),
}

use Step::{Client, Server};

/// A conversation of one protocol.
struct Conversation {
    protocol: &'static str,
    /// Until the connection is safe.
    handshake: &'static [Step],
    /// After it, something is in flight.
    begin: &'static [Step],
    /// The label value of that.
    in_flight: &'static str,
    /// After it, nothing is.
    end: &'static [Step],
}

const POSTGRESQL: Conversation = Conversation {
    protocol: "postgresql",
    handshake: &[
        Client(b"\0\0\0\x10\0\x03\0\0user\0a\0\0"),
        Server(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"),
    ],
    begin: &[
        Client(b"Q\0\0\0\x0aBEGIN\0"),
        Server(b"C\0\0\0\x0aBEGIN\0Z\0\0\0\x05T"),
    ],
    in_flight: "transaction",
    end: &[
        Client(b"Q\0\0\0\x0bCOMMIT\0"),
        Server(b"C\0\0\0\x0bCOMMIT\0Z\0\0\0\x05I"),
    ],
};

/// The server speaks first. Its greeting has the capabilities PROTOCOL_41 and SECURE_CONNECTION.
const MYSQL: Conversation = Conversation {
    protocol: "mysql",
    handshake: &[
        Server(
            b"\x34\0\0\0\x0a8.0.36\0\x01\0\0\0abcdefgh\0\0\x82\x21\x02\0\0\0\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0",
        ),
        Client(
            b"\x23\0\0\x01\0\x82\0\0\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a\0\0",
        ),
        Server(b"\x07\0\0\x02\0\0\0\x02\0\0\0"),
    ],
    begin: &[
        Client(b"\x06\0\0\0\x03BEGIN"),
        Server(b"\x07\0\0\x01\0\0\0\x03\0\0\0"),
    ],
    in_flight: "transaction",
    end: &[
        Client(b"\x07\0\0\0\x03COMMIT"),
        Server(b"\x07\0\0\x01\0\0\0\x02\0\0\0"),
    ],
};

const REDIS: Conversation = Conversation {
    protocol: "redis",
    handshake: &[Client(b"*1\r\n$4\r\nPING\r\n"), Server(b"+PONG\r\n")],
    begin: &[Client(b"*1\r\n$5\r\nMULTI\r\n"), Server(b"+OK\r\n")],
    in_flight: "transaction",
    end: &[Client(b"*1\r\n$4\r\nEXEC\r\n"), Server(b"*0\r\n")],
};

/// The server speaks first.
const NATS: Conversation = Conversation {
    protocol: "nats",
    handshake: &[
        Server(b"INFO {\"server_id\":\"a\"}\r\n"),
        Client(b"CONNECT {\"verbose\":false}\r\nPING\r\n"),
        Server(b"PONG\r\n"),
    ],
    begin: &[Client(b"PING\r\n")],
    in_flight: "ping",
    end: &[Server(b"PONG\r\n")],
};

const MQTT: Conversation = Conversation {
    protocol: "mqtt",
    handshake: &[
        Client(b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a"),
        Server(b"\x20\x02\0\0"),
    ],
    begin: &[Client(b"\x32\x07\0\x01t\0\x01hi")],
    in_flight: "publish",
    end: &[Server(b"\x40\x02\0\x01")],
};

/// Of the handshake only its end: `connection.open-ok`.
const AMQP: Conversation = Conversation {
    protocol: "amqp",
    handshake: &[
        Client(b"AMQP\0\0\x09\x01"),
        Server(b"\x01\0\0\0\0\0\x05\0\x0a\0\x29\0\xce"),
    ],
    begin: &[Client(b"\x01\0\x01\0\0\0\x05\0\x14\0\x0a\0\xce")],
    in_flight: "response",
    end: &[Server(b"\x01\0\x01\0\0\0\x08\0\x14\0\x0b\0\0\0\0\xce")],
};

/// Sends bytes from one end, and asserts that the other one gets them.
async fn pass(steps: &[Step], client: &mut Socket, server: &mut Socket) {
    for step in steps {
        let (from, to, bytes) = match step {
            Client(bytes) => (&mut *client, &mut *server, *bytes),
            Server(bytes) => (&mut *server, &mut *client, *bytes),
        };
        from.send(bytes).await;
        assert_eq!(to.read_exact(bytes.len()).await, bytes);
    }
}

async fn connect(envoy: &Envoy, listener: &TcpListener) -> (Socket, Socket) {
    let client = Socket::connect(envoy.address("in")).await;
    (client, Socket::accept(listener).await)
}

/// The connection expires while something is in flight, and is closed after it.
async fn assert_closed_after_what_is_in_flight(conversation: &Conversation) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rule = r#""max_connection_age": "300ms", "drain_timeout": "200ms""#;
    let envoy = gateway(listener.local_addr().unwrap(), rule).await;
    let (mut client, mut server) = connect(&envoy, &listener).await;
    pass(conversation.handshake, &mut client, &mut server).await;
    pass(conversation.begin, &mut client, &mut server).await;
    let deferred = [("defer_reason", conversation.in_flight)];
    wait_for_metric_with(&envoy, "drain_deferred_total", &deferred, 1).await;
    assert_metric(&envoy, "connections_drained_total", 0).await;

    pass(conversation.end, &mut client, &mut server).await;

    assert_eq!(within("the close", client.read_to_end()).await, b"");
    assert_eq!(within("the close", server.read_to_end()).await, b"");
    wait_for_metric(&envoy, "connections_drained_total", 1).await;
    assert_metric(&envoy, "connections_aborted_total", 0).await;
    let protocol = [("connection_protocol", conversation.protocol)];
    assert_metric_with(&envoy, "downstream_connections_total", &protocol, 1).await;
}

#[tokio::test]
async fn postgresql_connection_is_closed_after_its_transaction() {
    assert_closed_after_what_is_in_flight(&POSTGRESQL).await;
}

#[tokio::test]
async fn mysql_connection_is_closed_after_its_transaction() {
    assert_closed_after_what_is_in_flight(&MYSQL).await;
}

#[tokio::test]
async fn redis_connection_is_closed_after_its_transaction() {
    assert_closed_after_what_is_in_flight(&REDIS).await;
}

#[tokio::test]
async fn nats_connection_is_closed_after_its_pong() {
    assert_closed_after_what_is_in_flight(&NATS).await;
}

#[tokio::test]
async fn mqtt_connection_is_closed_after_its_acknowledgement() {
    assert_closed_after_what_is_in_flight(&MQTT).await;
}

#[tokio::test]
async fn amqp_connection_is_closed_after_its_response() {
    assert_closed_after_what_is_in_flight(&AMQP).await;
}

/// Its notifications would be lost until the client listens again.
#[tokio::test]
async fn postgresql_connection_that_listens_is_pinned() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rule = r#""max_connection_age": "300ms", "drain_timeout": "200ms""#;
    let envoy = gateway(listener.local_addr().unwrap(), rule).await;
    let (mut client, mut server) = connect(&envoy, &listener).await;
    pass(POSTGRESQL.handshake, &mut client, &mut server).await;
    let listen = [
        Client(b"Q\0\0\0\x0dLISTEN a\0"),
        Server(b"C\0\0\0\x0bLISTEN\0Z\0\0\0\x05I"),
    ];
    pass(&listen, &mut client, &mut server).await;
    let pinned = [("pin_reason", "subscription")];
    wait_for_metric_with(&envoy, "drains_pinned_total", &pinned, 1).await;
    let notification = [Server(b"A\0\0\0\x0b\0\0\0\x01a\0\0")];
    pass(&notification, &mut client, &mut server).await;
    assert_metric(&envoy, "connections_drained_total", 0).await;

    let unlisten = [
        Client(b"Q\0\0\0\x0fUNLISTEN *\0"),
        Server(b"C\0\0\0\x0dUNLISTEN\0Z\0\0\0\x05I"),
    ];
    pass(&unlisten, &mut client, &mut server).await;

    assert_eq!(within("the close", client.read_to_end()).await, b"");
    wait_for_metric(&envoy, "connections_drained_total", 1).await;
}

/// Envoy gives a filter no other way to write to the client: it gets the error in place of the response.
#[tokio::test]
async fn postgresql_client_gets_an_error_and_its_request_is_not_executed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rule = r#""max_connection_age": "3s", "error": "admin_shutdown""#;
    let envoy = gateway(listener.local_addr().unwrap(), rule).await;
    let (mut client, mut server) = connect(&envoy, &listener).await;
    pass(POSTGRESQL.handshake, &mut client, &mut server).await;
    // A connection that is to be closed is no load any more.
    wait_for_metric(&envoy, "rebalanced_load_connections", 1).await;
    wait_for_metric(&envoy, "rebalanced_load_connections", 0).await;

    client.send(b"Q\0\0\0\x0aBEGIN\0").await;
    assert_eq!(server.read_exact(5).await, b"S\0\0\0\x04");
    server.send(b"Z\0\0\0\x05I").await;

    let error = within("the close", client.read_to_end()).await;
    assert_eq!(error.first(), Some(&b'E'));
    assert!(
        error.windows(7).any(|field| field == b"C57P01\0"),
        "{error:?}"
    );
    assert_eq!(within("the close", server.read_to_end()).await, b"");
}
