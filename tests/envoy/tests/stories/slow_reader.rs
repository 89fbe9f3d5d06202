//! A client that reads slowly gets every byte of a response, however long its connection drains.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_test_envoy::Envoy;
use evenkeel_test_frames::http2::{ClientPreface, DATA, GOAWAY, WINDOW_UPDATE, frame};
use evenkeel_test_tasks::Tasks;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::sleep;

use crate::support::raw_client::{Frame, RawClient};
use crate::support::socket::{Socket, announces_close, get};
use crate::support::{
    CLOSED_BY_MODULE, assert_metric, start_network, wait_for_close_by_module, wait_for_metric,
    wait_for_metric_with, within,
};
use crate::tcp::gateway;

const MIB: usize = 1024 * 1024;
const LENGTH: usize = 8 * MIB;

/// Longer than `close_delay` and Envoy's `delayed_close_timeout` together.
const PAUSE: Duration = Duration::from_millis(3500);

/// Opens a connection with the smallest receive buffer, so that Envoy keeps what the client does not read.
async fn connect(to: SocketAddr) -> Socket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    Socket::of(socket.connect(to).await.unwrap())
}

/// Neither the module nor Envoy has closed a connection.
async fn assert_nothing_closed(envoy: &Envoy) {
    assert_metric(envoy, "connections_drained_total", 0).await;
    let stats = envoy.stats().await.unwrap();
    assert_eq!(stats.get("http.in.downstream_cx_delayed_close_timeout"), 0);
}

#[tokio::test]
async fn slow_http1_reader_gets_every_byte() {
    let (envoy, _backend) = start_network(r#""max_requests_per_connection": 1"#).await;
    let mut socket = connect(envoy.address("in")).await;
    socket.send(get(&format!("/bytes/{LENGTH}"))).await;
    assert!(announces_close(&socket.head().await));

    let mut read = socket.read_exact(LENGTH / 2).await.len();
    while read < LENGTH {
        sleep(PAUSE).await;
        read += socket.read_exact(MIB).await.len();
    }

    assert_eq!(read, LENGTH);
    assert_nothing_closed(&envoy).await;
}

/// Reads DATA up to `until` bytes in all and extends the window for it; returns how much was read.
async fn read_data(
    client: &mut RawClient,
    read: usize,
    until: usize,
    frames: &mut Vec<Frame>,
) -> usize {
    let mut read = read;
    while read < until {
        let next = client.read_frame().await;
        if next.kind == DATA {
            read += next.payload.len();
            for stream in [0, 1] {
                let increment = u32::try_from(next.payload.len()).unwrap();
                let update = frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
                if increment > 0 {
                    client.socket.send(update).await;
                }
            }
        }
        frames.push(Frame {
            payload: Vec::new(),
            ..next
        });
    }
    read
}

#[tokio::test]
async fn slow_http2_reader_gets_every_byte_before_the_close() {
    // The GOAWAY comes behind the response.
    let (envoy, _backend) =
        start_network(r#""max_requests_per_connection": 1, "http2": {"idle_wait": "60s"}"#).await;
    let mut client = RawClient::of(connect(envoy.address("in")).await);
    client.socket.send(ClientPreface::Go.bytes()).await;
    client.send_get(1, &format!("/bytes/{LENGTH}")).await;

    let mut frames = Vec::new();
    let mut read = read_data(&mut client, 0, LENGTH / 2, &mut frames).await;
    while read < LENGTH {
        sleep(PAUSE).await;
        read = read_data(&mut client, read, (read + MIB).min(LENGTH), &mut frames).await;
    }
    assert_eq!(read, LENGTH);

    // The acknowledgement of the PING behind the response shows that the client has read it.
    assert_nothing_closed(&envoy).await;
    assert_eq!(client.delivery_pings, 0);
    if !frames.iter().any(|frame| frame.kind == GOAWAY) {
        client.read_goaway().await;
    }
    assert_eq!(client.delivery_pings, 1);
    assert_eq!(client.read_to_end().await, []);
    wait_for_close_by_module(&envoy, 1).await;
}

/// More than the buffers of Envoy and of the kernel hold: most of it would be lost if the module closed too early.
const TCP_LENGTH: usize = 48 * MIB;

#[tokio::test]
async fn slow_tcp_reader_gets_every_byte_before_the_close() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rule = r#""max_connection_age": "200ms", "idle_time": "200ms", "drain_timeout": "1s""#;
    let envoy = gateway(server.local_addr().unwrap(), rule).await;
    let mut client = connect(envoy.address("in")).await;
    let mut upstream = Socket::accept(&server).await;
    client.send("all").await;
    upstream.read_exact(3).await;
    let mut tasks = Tasks::new();
    let write = tasks.spawn(async move {
        for _ in 0..TCP_LENGTH / MIB {
            upstream.send(vec![b'x'; MIB]).await;
        }
        upstream
    });

    // The connection is past its age, its drain timeout and its idle time, and the client has read little.
    let mut read = client.read_exact(MIB).await.len();
    wait_for_metric(&envoy, "connections_expired_total", 1).await;
    sleep(PAUSE).await;
    assert!(!write.is_finished());
    assert_metric(&envoy, "connections_drained_total", 0).await;

    read += client.read_exact(TCP_LENGTH - MIB).await.len();
    assert_eq!(read, TCP_LENGTH);
    let mut upstream = within("the server", tasks.next()).await.unwrap();
    client.send("more").await;
    upstream.read_exact(4).await;
    upstream.send("more").await;
    client.read_exact(4).await;
    // Only the second message after the response shows that the client has read that, and the drain timeout is over.
    client.send("more").await;
    assert_eq!(client.read_to_end().await, b"");
    wait_for_metric_with(&envoy, "connections_drained_total", CLOSED_BY_MODULE, 1).await;
}
