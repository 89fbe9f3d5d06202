//! A WebSocket (RFC 6455) that echoes messages and pings.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::interval;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::response::{Body, full};
use super::{Sessions, State};

pub(super) fn respond(
    mut request: Request<Incoming>,
    ping: Duration,
    state: Arc<State>,
    sessions: &Sessions,
) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.extend(accept.map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
    let upgrade = hyper::upgrade::on(&mut request);
    let session = async move {
        // Fails when the client has disconnected.
        if let Ok(upgraded) = upgrade.await {
            serve(upgraded, ping, &state).await;
        }
    };
    let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
    sessions.spawn(session);
    response
}

/// Serves a WebSocket until either end closes or aborts it.
async fn serve(upgraded: Upgraded, ping: Duration, state: &State) {
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    let mut pings = interval(ping.max(Duration::from_millis(1)));
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    count(&message, state);
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            _ = pings.tick() => {
                // Fails once the closing handshake has begun, which `next` completes.
                let _ = socket.send(Message::Ping(Bytes::new())).await;
            }
        }
    }
}

fn count(message: &Message, state: &State) {
    if let Ok(text) = message.to_text()
        && let Some((id, _)) = text.split_once(':')
    {
        state.count_id(id);
    }
}
