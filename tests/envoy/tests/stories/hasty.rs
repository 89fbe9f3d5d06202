//! hyper, recognised by its first frames, loses a request to a drain signal that comes while it is active. It is drained
//! after a slow response; else its drain is deferred past the drain timeout, unless `when_active` is `drain`.

use std::net::SocketAddr;

use evenkeel_test_envoy::Envoy;
use evenkeel_test_frames::http2::ClientPreface;
use evenkeel_test_tasks::drive;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::raw_client::RawClient;
use crate::support::{counted, counted_with, healthy, network, until, within};

type Sender = SendRequest<Empty<Bytes>>;

async fn hyper(to: SocketAddr) -> Sender {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    drive(connection);
    sender
}

async fn get(sender: &mut Sender, to: SocketAddr, path: &str) {
    let uri = format!("http://{to}{path}");
    let request = Request::get(uri).body(Empty::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    response.into_body().collect().await.unwrap();
}

/// Requests without a pause, of which two are always open, until the metric is 1.
async fn at_work_until(envoy: &Envoy, metric: &str) {
    let to = envoy.address("in");
    let sender = hyper(to).await;
    within(metric, async {
        while counted(envoy, metric).await == 0 {
            let (mut one, mut other) = (sender.clone(), sender.clone());
            tokio::join!(
                get(&mut one, to, "/delay/1"),
                get(&mut other, to, "/delay/1")
            );
        }
    })
    .await;
}

#[tokio::test]
async fn it_is_told_at_the_end_of_an_answer_that_took_its_time() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 1"#).await;
    let to = envoy.address("in");
    let mut sender = hyper(to).await;
    get(&mut sender, to, "/").await;
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);

    get(&mut sender, to, "/delay/20").await;

    until(&envoy, "drain_signals_total", |announced| announced == 1).await;
    let how = [
        ("http2_client", "reqwest_hyper"),
        ("last_stream_id", "max"),
        ("connection_state", "idle"),
    ];
    assert_eq!(counted_with(&envoy, "goaways_total", &how).await, 1);
    healthy(&envoy);
}

#[tokio::test]
async fn past_its_grace_it_is_put_off_and_counted() {
    let (envoy, _backend) =
        network(r#""max_requests_per_connection": 1, "drain_timeout": "300ms""#).await;

    at_work_until(&envoy, "drain_deferred_total").await;

    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
    healthy(&envoy);
}

#[tokio::test]
async fn past_its_grace_it_is_told_if_the_policy_insists() {
    let defaults = r#""max_requests_per_connection": 1, "drain_timeout": "2s", "http2": {"when_active": "drain"}"#;
    let (envoy, _backend) = network(defaults).await;
    let to = envoy.address("in");
    let mut sender = hyper(to).await;
    get(&mut sender, to, "/").await;
    until(&envoy, "connections_expired_total", |due| due == 1).await;

    // An answer that outlasts the drain timeout, and is over before what is told is cut.
    let mut other = sender.clone();
    tokio::join!(
        get(&mut sender, to, "/trickle/250/10"),
        get(&mut other, to, "/")
    );

    until(&envoy, "drain_signals_total", |announced| announced == 1).await;
    assert_eq!(counted(&envoy, "drain_deferred_total").await, 0);
    healthy(&envoy);
}

/// An exact GOAWAY needs an idle connection, also for a client that tolerates any other.
#[tokio::test]
async fn connection_that_is_never_idle_is_deferred_and_counted_with_an_exact_goaway() {
    let defaults = r#""max_requests_per_connection": 2, "http2": {"idle_wait": "0s", "last_stream_id": "exact"}, "drain_timeout": "300ms""#;
    let (envoy, backend) = network(defaults).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.get(1, "/hold").await;
    until(&envoy, "requests_total", |requests| requests == 1).await;

    let mut stream = 1;
    within("drain_deferred_total", async {
        while counted(&envoy, "drain_deferred_total").await == 0 {
            stream += 2;
            client.get(stream, "/delay/20").await;
            client.answer(stream).await;
        }
    })
    .await;
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);

    backend.release();
    assert_eq!(client.goaway().await, stream);
    assert_eq!(counted(&envoy, "drain_deferred_total").await, 1);
    healthy(&envoy);
}
