//! The backend, which records each complete request and responds with the record.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use evenkeel_test_tasks::Tasks;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::requests::Id;

/// A running HTTP/1 server. Dropping it closes its port and every connection.
///
/// The last part of the path selects the form of the response: `204` and `304` are these statuses, `chunks` is sent in
/// chunks with a trailer, and all else with a `content-length`.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    records: Arc<Mutex<Records>>,
    _tasks: Tasks,
}

/// The requests of each exchange in order.
type Records = BTreeMap<Option<Id>, Vec<String>>;

/// Marks the responses of the backend with their request: a response to HEAD has no body.
pub(crate) const METHOD: &str = "x-recorded-method";

impl Recorder {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let records = Arc::default();
        let mut tasks = Tasks::new();
        tasks.spawn(accept(listener, Arc::clone(&records)));
        Ok(Self {
            address,
            records,
            _tasks: tasks,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the complete requests of an exchange, with the id as in the table.
    pub fn received(&self, id: Id) -> Vec<String> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let received = records.get(&Some(id)).cloned().unwrap_or_default();
        received.iter().map(|record| id.hidden_in(record)).collect()
    }

    /// Returns the requests without an id; there should be none.
    pub fn strays(&self) -> Vec<String> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.get(&None).cloned().unwrap_or_default()
    }
}

async fn accept(listener: TcpListener, records: Arc<Mutex<Records>>) {
    let mut connections = Tasks::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve(stream, Arc::clone(&records)));
            }
            Some(()) = connections.next() => {}
        }
    }
}

async fn serve(stream: TcpStream, records: Arc<Mutex<Records>>) {
    // Nagle's algorithm would delay the last part of a response.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let records = Arc::clone(&records);
        async move {
            let method = request.method().clone();
            let path = request.uri().path().to_owned();
            // An incomplete request is not recorded, and gets no response.
            let record = record(request).await?;
            records
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(Id::found_in(&record))
                .or_default()
                .push(record.clone());
            let mut response = response(&path, record);
            let method = method.as_str().parse().expect("a method is a token");
            response.headers_mut().insert(METHOD, method);
            Ok::<_, hyper::Error>(response)
        }
    });
    // The client sees when Envoy closes a connection early.
    let _ = hyper::server::conn::http1::Builder::new()
        // The fields that Envoy forwards, and those that it adds.
        .max_headers(200)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Returns the request as text, without what Envoy generates for each.
async fn record(request: Request<Incoming>) -> Result<String, hyper::Error> {
    let mut text = format!(
        "{} {} {:?}\n",
        request.method(),
        request.uri(),
        request.version()
    );
    let (head, body) = request.into_parts();
    write_fields(&mut text, &head.headers);
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    let _ = write!(text, "\n{}", body.to_bytes().escape_ascii());
    if let Some(trailers) = trailers {
        text.push('\n');
        write_fields(&mut text, &trailers);
    }
    Ok(text)
}

fn write_fields(text: &mut String, fields: &HeaderMap) {
    for (name, value) in fields {
        if name != "x-request-id" {
            let value = value.as_bytes().escape_ascii();
            let _ = writeln!(text, "{name}: {value}");
        }
    }
}

fn response(path: &str, record: String) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::from(record.clone()).boxed());
    match path.rsplit('/').next() {
        Some("204") => {
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.body_mut() = Full::default().boxed();
        }
        Some("304") => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Full::default().boxed();
        }
        Some("chunks") => {
            let trailers = HeaderMap::from_iter([(
                "x-trailer".parse().expect("a name"),
                "end".parse().expect("a value"),
            )]);
            let fields = response.headers_mut();
            fields.insert("trailer", "x-trailer".parse().expect("a value"));
            let frames = [Frame::data(record.into()), Frame::trailers(trailers)];
            let frames = stream::iter(frames.map(Ok));
            *response.body_mut() = BodyExt::boxed(StreamBody::new(frames));
        }
        _ => {}
    }
    response
}
