//! A gRPC service without protobuf: messages are bytes behind the 5-byte prefix.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};

use super::response::{Body, full, repeat, spawn};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// OK and UNIMPLEMENTED.
const OK: HeaderValue = HeaderValue::from_static("0");
const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");
const LENGTH: u32 = 1024;

pub(super) fn respond(request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let mut parts = path.trim_start_matches("/evenkeel.Test/").split('/');
    let method = parts.next().unwrap_or_default();
    let mut number = || parts.next().and_then(|n| n.parse().ok()).unwrap_or(0_u64);
    let mut status = None;
    let body = match method {
        "Echo" | "Chat" => echo(request.into_body()),
        "Stream" => stream(number(), number()),
        _ => {
            status = Some(UNIMPLEMENTED);
            full(Bytes::new())
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(status) = status {
        headers.insert(STATUS, status);
    }
    response
}

/// Echoes each message when it comes.
fn echo(mut messages: Incoming) -> Body {
    spawn(async move |sender| {
        while let Some(Ok(frame)) = messages.frame().await {
            let Ok(data) = frame.into_data() else { break };
            // A client's last frame is often empty; Envoy takes empty frames of a server for a flood.
            if data.is_empty() {
                continue;
            }
            if sender.send_data(data).await.is_err() {
                return;
            }
        }
        // Fails when the client has disconnected.
        let _ = sender.send_trailers(ok()).await;
    })
}

fn stream(count: u64, every: u64) -> Body {
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(LENGTH);
    message.put_bytes(b'x', LENGTH as usize);
    let message = message.freeze();
    spawn(async move |sender| {
        if repeat(count, Some(every), message, &sender).await {
            let _ = sender.send_trailers(ok()).await;
        }
    })
}

fn ok() -> HeaderMap {
    HeaderMap::from_iter([(STATUS, OK)])
}
