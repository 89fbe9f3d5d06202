//! An HTTP server, HTTP/1 and HTTP/2 on one port, that counts the requests it has served.

mod grpc;
mod response;
mod websocket;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use evenkeel_test_tasks::Tasks;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A running HTTP server. Dropping it closes its port and every connection.
///
/// It responds with its name, except below these paths:
/// - `/echo`: the request's body.
/// - `/delay/MS`: its name, after that many milliseconds.
/// - `/stream/N`: N chunks of 1 KiB.
/// - `/trickle/N/MS`: N chunks of 1 KiB, one every MS milliseconds.
/// - `/bytes/N`: N bytes.
/// - `/count`: the length of the request's body, in 16 decimal digits.
/// - `/trailers`: its name, and the trailer `x-trailer: end`.
/// - `/ws/MS`: a WebSocket that echoes messages and pings every MS milliseconds; the id of a message is the
///   text before its first colon.
/// - `/hold`: its name, after [`Backend::release`].
/// - `/tail`: the head and its name at once, the end after [`Backend::release`].
///
/// gRPC: `/evenkeel.Test/Echo` and `/evenkeel.Test/Chat` echo each message, and `/evenkeel.Test/Stream/N/MS` sends N messages
/// of 1 KiB, one every MS milliseconds.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    state: Arc<State>,
    release: watch::Sender<bool>,
    _tasks: Tasks,
}

/// The WebSockets of a connection.
type Sessions = Arc<Mutex<Tasks>>;

#[derive(Debug)]
struct State {
    name: String,
    counts: Mutex<Counts>,
    released: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Requests of each connection, in the order in which these were opened.
    by_connection: Vec<u64>,
    by_id: BTreeMap<String, u64>,
}

impl Backend {
    /// Starts a server that responds with `name`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(name: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (release, released) = watch::channel(false);
        let state = Arc::new(State {
            name: name.to_owned(),
            counts: Mutex::default(),
            released,
        });
        let mut tasks = Tasks::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            release,
            _tasks: tasks,
        })
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of requests so far.
    pub fn requests(&self) -> u64 {
        self.state.counts().by_connection.iter().sum()
    }

    /// Returns the number of requests on each connection, in the order in which these were opened.
    pub fn requests_by_connection(&self) -> Vec<u64> {
        self.state.counts().by_connection.clone()
    }

    /// Returns the number of requests with each `x-id`; above 1, a request was sent twice.
    pub fn requests_by_id(&self) -> BTreeMap<String, u64> {
        self.state.counts().by_id.clone()
    }

    /// Resets the counts of `x-id`, for clients that number their requests from the beginning again.
    pub fn reset_ids(&self) {
        self.state.counts().by_id.clear();
    }

    /// Completes all responses to `/hold` and `/tail`, also to later requests.
    pub fn release(&self) {
        self.release.send_replace(true);
    }
}

impl State {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_connection(&self) -> usize {
        let mut counts = self.counts();
        counts.by_connection.push(0);
        counts.by_connection.len() - 1
    }

    fn count_request(&self, connection: usize, request: &Request<Incoming>) {
        let mut counts = self.counts();
        counts.by_connection[connection] += 1;
        drop(counts);
        if let Some(id) = request.headers().get("x-id") {
            self.count_id(&String::from_utf8_lossy(id.as_bytes()));
        }
    }

    fn count_id(&self, id: &str) {
        let mut counts = self.counts();
        match counts.by_id.get_mut(id) {
            Some(times) => *times += 1,
            None => {
                counts.by_id.insert(id.to_owned(), 1);
            }
        }
    }

    async fn released(&self) {
        // Fails only when the backend, and this task with it, is dropped.
        let _ = self.released.clone().wait_for(|released| *released).await;
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = Tasks::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve(stream, Arc::clone(&state)));
            }
            Some(()) = connections.next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let connection = state.count_connection();
    // Nagle's algorithm would delay the last part of a response.
    let _ = stream.set_nodelay(true);
    let sessions = Sessions::default();
    let service = service_fn(|request| {
        let (state, sessions) = (Arc::clone(&state), Arc::clone(&sessions));
        async move {
            state.count_request(connection, &request);
            Ok::<_, Infallible>(response::respond(request, state, sessions).await)
        }
    });
    // The test sees how its client ends a connection.
    let _ = Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
    let sessions = mem::take(&mut *sessions.lock().unwrap_or_else(PoisonError::into_inner));
    sessions.join().await;
}
