//! Both ends of a WebSocket through an Envoy (RFC 6455).

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles};
use evenkeel_test_frames::websocket::{CLOSE, FIN, UPGRADE_RESPONSE, upgrade_request};
use tokio::net::TcpListener;

use super::socket::Socket;

/// An Envoy with the module on the listener `in`, and a server behind it.
pub struct Site {
    pub envoy: Envoy,
    server: TcpListener,
}

impl Site {
    pub async fn start(roles: Roles, policy: &str) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cluster = Cluster::new("app", [server.local_addr().unwrap()]);
        let listener = Listener::http("in")
            .route("/", "app")
            .evenkeel(roles, policy);
        let bootstrap = Bootstrap::new().cluster(cluster).listener(listener);
        let envoy = Envoy::start(bootstrap).await.unwrap();
        Self { envoy, server }
    }

    /// Opens a WebSocket; returns the client's and the server's end.
    pub async fn open(&self, path: &str) -> (Socket, Socket) {
        let mut client = Socket::connect(self.envoy.address("in")).await;
        client.send(upgrade_request(path)).await;
        let mut server = Socket::accept(&self.server).await;
        server.head().await;
        server.send(UPGRADE_RESPONSE).await;
        assert!(client.head().await.starts_with("HTTP/1.1 101 "));
        (client, server)
    }
}

/// Returns the status of the server's Close frame.
pub fn close_code(close: &[u8]) -> u16 {
    assert_eq!(close[0], FIN | CLOSE, "{close:?}");
    assert_eq!(usize::from(close[1]), close.len() - 2, "{close:?}");
    u16::from_be_bytes([close[2], close[3]])
}

/// Reads a frame of the server.
pub async fn read_frame(client: &mut Socket) -> Vec<u8> {
    let mut frame = client.read_exact(2).await;
    frame.extend(client.read_exact(usize::from(frame[1])).await);
    frame
}
