//! The response to each path.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_test_tasks::Task;
use futures_util::stream::unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response};
use tokio::sync::mpsc;
use tokio::time::interval;

use super::{Sessions, State, grpc, websocket};

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A chunk of a stream.
const CHUNK: Bytes = Bytes::from_static(&[b'x'; 1024]);

/// A chunk of `/bytes`.
const PIECE: Bytes = Bytes::from_static(&[b'x'; 64 * 1024]);

pub(super) async fn respond(
    request: Request<Incoming>,
    state: Arc<State>,
    sessions: Sessions,
) -> Response<Body> {
    if is_grpc(&request) {
        return grpc::respond(request);
    }
    let path = request.uri().path().to_owned();
    let mut parts = path.trim_start_matches('/').split('/');
    let kind = parts.next().unwrap_or_default();
    let mut number = || parts.next().and_then(|n| n.parse().ok()).unwrap_or(0_u64);
    let name = || full(state.name.clone().into());
    let body = match kind {
        "echo" => match request.into_body().collect().await {
            Ok(body) => full(body.to_bytes()),
            // The client has aborted the request.
            Err(_) => full(Bytes::new()),
        },
        "count" => full(format!("{:016}", length(request.into_body()).await).into()),
        "delay" => {
            tokio::time::sleep(Duration::from_millis(number())).await;
            name()
        }
        "stream" => chunks(number(), None, CHUNK),
        "trickle" => chunks(number(), Some(number()), CHUNK),
        "bytes" => bytes(number()),
        "trailers" => trailers(&state),
        "hold" => {
            state.released().await;
            name()
        }
        "tail" => tail(state),
        "ws" => {
            let ping = Duration::from_millis(number());
            return websocket::respond(request, ping, state, &sessions);
        }
        _ => name(),
    };
    Response::new(body)
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

async fn length(mut body: Incoming) -> usize {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    length
}

pub(super) fn full(body: Bytes) -> Body {
    Full::new(body).boxed_unsync()
}

/// Returns a body of chunks, one every `every` milliseconds or as fast as the client reads.
fn chunks(count: u64, every: Option<u64>, chunk: Bytes) -> Body {
    spawn(async move |sender| {
        repeat(count, every, chunk, &sender).await;
    })
}

/// Sends a chunk repeatedly; false when the client has disconnected.
pub(super) async fn repeat(count: u64, every: Option<u64>, chunk: Bytes, sender: &Sender) -> bool {
    let mut tick = every.map(|ms| interval(Duration::from_millis(ms.max(1))));
    for _ in 0..count {
        if let Some(tick) = &mut tick {
            tick.tick().await;
        }
        if sender.send_data(chunk.clone()).await.is_err() {
            return false;
        }
    }
    true
}

fn bytes(count: u64) -> Body {
    spawn(async move |sender| {
        let mut left = usize::try_from(count).unwrap_or(usize::MAX);
        while left > 0 {
            let piece = PIECE.slice(..left.min(PIECE.len()));
            left -= piece.len();
            if sender.send_data(piece).await.is_err() {
                return;
            }
        }
    })
}

fn trailers(state: &State) -> Body {
    let name = state.name.clone();
    spawn(async move |sender| {
        let trailers = HeaderMap::from_iter([(
            hyper::header::HeaderName::from_static("x-trailer"),
            HeaderValue::from_static("end"),
        )]);
        // Fails when the client has disconnected.
        let _ = sender.send_data(name.into()).await;
        let _ = sender.send_trailers(trailers).await;
    })
}

fn tail(state: Arc<State>) -> Body {
    spawn(async move |sender| {
        // Fails when the client has disconnected.
        let _ = sender.send_data(state.name.clone().into()).await;
        state.released().await;
    })
}

/// Sends the frames of a body. The channel of http-body-util can end the body while a frame is still in it.
pub(super) struct Sender(mpsc::Sender<Frame<Bytes>>);

/// The client has disconnected.
pub(super) struct Disconnected;

impl Sender {
    pub(super) async fn send_data(&self, data: Bytes) -> Result<(), Disconnected> {
        self.0
            .send(Frame::data(data))
            .await
            .map_err(|_| Disconnected)
    }

    pub(super) async fn send_trailers(&self, trailers: HeaderMap) -> Result<(), Disconnected> {
        self.0
            .send(Frame::trailers(trailers))
            .await
            .map_err(|_| Disconnected)
    }
}

/// Returns a body that `write` produces while it is being sent.
pub(super) fn spawn<W, F>(write: W) -> Body
where
    W: FnOnce(Sender) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let writer = Task::spawn(write(Sender(sender)));
    let frames = unfold((receiver, writer), async |(mut receiver, writer)| {
        let received: Option<Frame<Bytes>> = receiver.recv().await;
        match received {
            Some(frame) => Some((Ok::<_, Infallible>(frame), (receiver, writer))),
            None => {
                writer.join().await;
                None
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}
