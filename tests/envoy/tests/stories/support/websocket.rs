//! Both ends of WebSockets through an Envoy (RFC 6455), each told every frame.

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles};
use tokio::net::TcpListener;

use super::socket::Socket;
use super::within;

pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

const CONTINUATION: u8 = 0x0;
const FIN: u8 = 0x80;
const MASK: u8 = 0x80;

/// An Envoy with the module on the listener `in`, and the server behind it.
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

    /// The client's and the server's end of a WebSocket.
    pub async fn open(&self, path: &str) -> (Socket, Socket) {
        let mut client = Socket::connect(self.envoy.address("in")).await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: chat.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: ZXZlbmtlZWxldmVua2VlbA==\r\n\r\n"
        );
        client.send(request).await;
        let (stream, _) = within("the server's end", self.server.accept())
            .await
            .unwrap();
        let mut server = Socket::of(stream);
        server.head().await;
        let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: 0\r\n\r\n";
        server.send(answer).await;
        assert!(client.head().await.starts_with("HTTP/1.1 101 "));
        (client, server)
    }
}

/// A frame of the client, masked with zeros.
pub fn from_client(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[FIN | opcode, MASK | length, 0, 0, 0, 0][..], payload].concat()
}

/// A frame of the server.
pub fn from_server(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[FIN | opcode, length][..], payload].concat()
}

/// A text message of the server in two frames.
pub fn in_fragments(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (first, second) = text.split_at(text.len() / 2);
    let mut begin = from_server(TEXT, first);
    begin[0] &= !FIN;
    (begin, from_server(CONTINUATION, second))
}

/// The server's frame that says Close with a status and, behind it, a reason.
pub fn status(close: &[u8]) -> u16 {
    assert_eq!(close[0], FIN | CLOSE, "{close:?}");
    assert_eq!(usize::from(close[1]), close.len() - 2, "{close:?}");
    u16::from_be_bytes([close[2], close[3]])
}

/// The next frame of the server, as the client has it.
pub async fn frame(client: &mut Socket) -> Vec<u8> {
    let mut frame = client.take(2).await;
    frame.extend(client.take(usize::from(frame[1])).await);
    frame
}
