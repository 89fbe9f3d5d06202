//! A client and a server of the h2 crate that use the features of HTTP/2.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Ping, Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;

/// Reproducible random numbers (SplitMix64).
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As its kind expects.
    Served,
    /// Refused by a GOAWAY before the server processed it.
    Refused,
}

const DOWNLOAD: usize = 0;
const UPLOAD: usize = 1;
const UPLOAD_WITH_TRAILERS: usize = 2;
const EARLY_RESPONSE: usize = 3;
const CANCELLED: usize = 4;
const RESET: usize = 5;
const KINDS: usize = 6;

/// Runs two to five workers that send requests of every kind. Returns the outcomes, and whether a GOAWAY arrived.
pub async fn client(io: DuplexStream, mut random: Random) -> (Vec<Outcome>, bool) {
    let (requests, mut connection) = h2::client::handshake(io).await.unwrap();
    let mut ping = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    let mut workers = JoinSet::new();
    for nth in 0..=1 + random.below(4) {
        workers.spawn(worker(
            requests.clone(),
            Random(random.0 ^ u64::try_from(nth).unwrap()),
        ));
    }
    let mut outcomes = Vec::new();
    let mut got_goaway = false;
    while let Some(work) = workers.join_next().await {
        let (ended, received) = work.unwrap();
        outcomes.extend(ended);
        got_goaway |= received;
    }
    // What follows the last response must be read, and what follows the first acknowledgement.
    for _ in 0..2 {
        if ping.ping(Ping::opaque()).await.is_err() {
            break;
        }
    }
    if let Err(error) = requests.clone().ready().await {
        assert_goaway(&error);
        got_goaway = true;
    }
    drop(requests);
    match connection.await.unwrap() {
        Ok(()) => {}
        Err(error) => {
            assert_goaway(&error);
            got_goaway = true;
        }
    }
    (outcomes, got_goaway)
}

fn assert_goaway(error: &h2::Error) {
    assert!(error.is_go_away() && error.is_remote(), "{error:?}");
    assert_eq!(error.reason(), Some(Reason::NO_ERROR), "{error:?}");
}

async fn worker(mut requests: SendRequest<Bytes>, mut random: Random) -> (Vec<Outcome>, bool) {
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        for _ in 0..random.below(6) {
            tokio::task::yield_now().await;
        }
        requests = match requests.ready().await {
            Ok(ready) => ready,
            Err(error) => {
                assert_goaway(&error);
                return (outcomes, true);
            }
        };
        let (kind, len) = (random.below(KINDS), [0, 10, 3000, 150_000][random.below(4)]);
        outcomes.push(exchange(&mut requests, kind, len).await);
    }
    (outcomes, false)
}

async fn exchange(requests: &mut SendRequest<Bytes>, kind: usize, len: usize) -> Outcome {
    match try_exchange(requests, kind, len).await {
        Ok(()) => Outcome::Served,
        Err(error) => {
            assert_goaway(&error);
            Outcome::Refused
        }
    }
}

async fn try_exchange(
    requests: &mut SendRequest<Bytes>,
    kind: usize,
    len: usize,
) -> Result<(), h2::Error> {
    let request = Request::post(format!("http://test/{kind}/{len}"))
        .body(())
        .unwrap();
    let (response, mut body) = requests.send_request(request, kind == DOWNLOAD)?;
    match kind {
        UPLOAD => body.send_data(content(len), true)?,
        UPLOAD_WITH_TRAILERS => {
            body.send_data(content(len), false)?;
            body.send_trailers(trailers())?;
        }
        EARLY_RESPONSE => body.send_data(content(len), false)?,
        _ => {}
    }
    let response = match response.await {
        Err(error) if kind == RESET && error.is_reset() => {
            assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
            return Ok(());
        }
        response => response?,
    };
    assert_ne!(kind, RESET, "got a response");
    if kind == CANCELLED {
        body.send_reset(Reason::CANCEL);
        return Ok(());
    }
    let (received, trailers) = receive(response.into_body()).await?;
    let expected = if kind == DOWNLOAD { len } else { 5 };
    assert_eq!(
        (received, trailers),
        (expected, kind == UPLOAD_WITH_TRAILERS)
    );
    Ok(())
}

/// Serves until the client closes. Returns the number of requests, and whether the client closed between two frames.
pub async fn server(io: DuplexStream) -> (usize, bool) {
    let mut connection = h2::server::handshake(io).await.unwrap();
    let mut handlers = JoinSet::new();
    let (mut served, mut clean) = (0, true);
    while let Some(accepted) = connection.accept().await {
        match accepted {
            Ok((request, response)) => {
                handlers.spawn(respond(request, response));
                served += 1;
            }
            Err(error) => {
                assert!(error.is_io(), "{error:?}");
                clean = false;
            }
        }
    }
    while let Some(handled) = handlers.join_next().await {
        handled.unwrap();
    }
    (served, clean)
}

async fn respond(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let mut parts = request
        .uri()
        .path()
        .split('/')
        .skip(1)
        .map(|part| part.parse::<usize>().unwrap());
    let (kind, len) = (parts.next().unwrap(), parts.next().unwrap());
    if kind == RESET {
        respond.send_reset(Reason::INTERNAL_ERROR);
        return;
    }
    if matches!(kind, UPLOAD | UPLOAD_WITH_TRAILERS) {
        let received = receive(request.into_body()).await.unwrap();
        assert_eq!(received, (len, kind == UPLOAD_WITH_TRAILERS));
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_data(content(5), kind == UPLOAD).unwrap();
        if kind == UPLOAD_WITH_TRAILERS {
            body.send_trailers(trailers()).unwrap();
        }
        return;
    }
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    match kind {
        DOWNLOAD => body.send_data(content(len), true).unwrap(),
        // h2 resets the rest of the request with NO_ERROR when it is dropped.
        EARLY_RESPONSE => body.send_data(content(5), true).unwrap(),
        _ => {
            body.send_data(content(len), false).unwrap();
            let reset = std::future::poll_fn(|context| body.poll_reset(context)).await;
            assert_eq!(reset.unwrap(), Reason::CANCEL);
        }
    }
}

async fn receive(mut body: RecvStream) -> Result<(usize, bool), h2::Error> {
    let mut len = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        len += chunk.len();
        body.flow_control().release_capacity(chunk.len())?;
    }
    Ok((len, body.trailers().await?.is_some()))
}

fn content(len: usize) -> Bytes {
    Bytes::from(vec![b'b'; len])
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("last"))])
}

/// Sends a request over a connection with the settings of hyper.
pub async fn hyper(io: DuplexStream) {
    let (requests, connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(2 << 20)
        .initial_connection_window_size(5 << 20)
        .max_frame_size(16 << 10)
        .max_header_list_size(16 << 10)
        .handshake::<_, Bytes>(io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://test/").body(()).unwrap();
    let (response, _) = requests
        .ready()
        .await
        .unwrap()
        .send_request(request, true)
        .unwrap();
    response.await.ok();
    connection.await.unwrap().ok();
}
