//! The backend: it writes down each request that reaches it whole, and answers with what it wrote.

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
/// The last part of the path chooses the form of the answer: `204` and `304` are these statuses, `chunks` is sent in
/// chunks with a trailer, and all else with a `content-length`.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    records: Arc<Mutex<Records>>,
    _tasks: Tasks,
}

/// What was received of each exchange, in the order of its coming.
type Records = BTreeMap<Option<Id>, Vec<String>>;

/// Says which answers are ours, and what they answer: after a HEAD there is no body to read.
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

    /// The requests of that exchange that came whole, with the id as the table has it.
    pub fn received(&self, id: Id) -> Vec<String> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let received = records.get(&Some(id)).cloned().unwrap_or_default();
        received.iter().map(|record| id.hidden_in(record)).collect()
    }

    /// The requests that carried no id: there should be none.
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
    // Without it Nagle would hold back the last part of a response.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let records = Arc::clone(&records);
        async move {
            let method = request.method().clone();
            let path = request.uri().path().to_owned();
            // A request that does not come whole is not executed, and gets no answer.
            let record = record(request).await?;
            records
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(Id::found_in(&record))
                .or_default()
                .push(record.clone());
            let mut answer = answer(&path, record);
            let method = method.as_str().parse().expect("a method is a token");
            answer.headers_mut().insert(METHOD, method);
            Ok::<_, hyper::Error>(answer)
        }
    });
    // A connection that ends in the middle is Envoy's doing, and shows in what the client gets.
    let _ = hyper::server::conn::http1::Builder::new()
        // Those that Envoy lets pass, and its own.
        .max_headers(200)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The request as text, but for what Envoy makes up for each one.
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

fn answer(path: &str, record: String) -> Response<BoxBody<Bytes, Infallible>> {
    let mut answer = Response::new(Full::from(record.clone()).boxed());
    match path.rsplit('/').next() {
        Some("204") => {
            *answer.status_mut() = StatusCode::NO_CONTENT;
            *answer.body_mut() = Full::default().boxed();
        }
        Some("304") => {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            *answer.body_mut() = Full::default().boxed();
        }
        Some("chunks") => {
            let trailers = HeaderMap::from_iter([(
                "x-trailer".parse().expect("a name"),
                "end".parse().expect("a value"),
            )]);
            let fields = answer.headers_mut();
            fields.insert("trailer", "x-trailer".parse().expect("a value"));
            let frames = [Frame::data(record.into()), Frame::trailers(trailers)];
            let frames = stream::iter(frames.map(Ok));
            *answer.body_mut() = BodyExt::boxed(StreamBody::new(frames));
        }
        _ => {}
    }
    answer
}
