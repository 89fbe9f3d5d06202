//! A client that reads slowly gets every byte of a response, however long its connection drains.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_test_envoy::Envoy;
use evenkeel_test_frames::http2::{ClientPreface, DATA, GOAWAY, WINDOW_UPDATE, frame};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use crate::support::raw_client::{Frame, RawClient};
use crate::support::socket::{Socket, closes, get};
use crate::support::{counted, network, until_with};

const MIB: usize = 1024 * 1024;
const LENGTH: usize = 8 * MIB;

/// Longer than `close_delay` and Envoy's `delayed_close_timeout` together.
const PAUSE: Duration = Duration::from_millis(3500);

/// A connection with the smallest receive buffer: what is not read stays with Envoy.
async fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(to).await.unwrap()
}

/// No connection was closed by the module or with an abort.
async fn nothing_was_closed(envoy: &Envoy) {
    assert_eq!(counted(envoy, "connections_drained_total").await, 0);
    let stats = envoy.stats().await.unwrap();
    assert_eq!(stats.get("http.in.downstream_cx_delayed_close_timeout"), 0);
}

#[tokio::test]
async fn http1_reader_gets_every_byte() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 1"#).await;
    let mut socket = Socket::of(connect(envoy.address("in")).await);
    socket.send(get(&format!("/bytes/{LENGTH}"))).await;
    assert!(closes(&socket.head().await));

    let mut read = socket.take(LENGTH / 2).await.len();
    while read < LENGTH {
        sleep(PAUSE).await;
        read += socket.take(MIB).await.len();
    }

    assert_eq!(read, LENGTH);
    nothing_was_closed(&envoy).await;
}

/// Reads DATA up to `until` bytes in all, and gives the client's credit for it. How much is read then.
async fn read_data(
    client: &mut RawClient,
    read: usize,
    until: usize,
    frames: &mut Vec<Frame>,
) -> usize {
    let mut read = read;
    while read < until {
        let next = client.frame().await;
        if next.kind == DATA {
            read += next.payload.len();
            for stream in [0, 1] {
                let credit = u32::try_from(next.payload.len()).unwrap();
                let update = frame(WINDOW_UPDATE, 0, stream, &credit.to_be_bytes());
                if credit > 0 {
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
async fn http2_reader_gets_every_byte_and_is_closed_when_it_has_them() {
    // It is told behind the response, not in the middle of it.
    let (envoy, _backend) =
        network(r#""max_requests_per_connection": 1, "http2": {"idle_wait": "60s"}"#).await;
    let mut client = RawClient::of(Socket::of(connect(envoy.address("in")).await));
    client.socket.send(ClientPreface::Go.bytes()).await;
    client.get(1, &format!("/bytes/{LENGTH}")).await;

    let mut frames = Vec::new();
    let mut read = read_data(&mut client, 0, LENGTH / 2, &mut frames).await;
    while read < LENGTH {
        sleep(PAUSE).await;
        read = read_data(&mut client, read, (read + MIB).min(LENGTH), &mut frames).await;
    }
    assert_eq!(read, LENGTH);

    // Nothing but the PING behind the response, which it acknowledges, tells that it has read all.
    nothing_was_closed(&envoy).await;
    assert_eq!(client.delivery_pings, 0);
    if !frames.iter().any(|frame| frame.kind == GOAWAY) {
        client.goaway().await;
    }
    assert_eq!(client.delivery_pings, 1);
    assert_eq!(client.closed().await, []);
    let by_us = [
        ("drain_reason", "max_requests_per_connection"),
        ("closed_by", "evenkeel"),
    ];
    until_with(&envoy, "connections_drained_total", &by_us, 1).await;
}
