//! The shared code of the Rust clients: flags, workers and report.
//!
//! Nothing is retried: the library's own retries apply, and a request that returns an error has failed.

mod report;

use std::process::exit;
use std::time::Duration;

use clap::{Parser, ValueEnum};

pub use report::{BoxError, Opened, Report, run};

/// How many messages a CLIENT or BIDI call sends.
pub const MESSAGES: usize = 4;

/// Whether the library is configured with windows and limits like an application's.
pub fn is_tuned() -> bool {
    std::env::var_os("EVENKEEL_TUNED").is_some()
}

/// The exit code of a program whose library does not support the pattern.
const DOES_NOT_APPLY: i32 = 3;
const ECHOES: [&str; 3] = ["/echo", "/evenkeel.Test/Echo", "/evenkeel.Test/Chat"];

/// The flags.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// IP:PORT to connect to
    #[arg(long)]
    pub address: String,
    #[arg(long)]
    pub protocol: Protocol,
    #[arg(long)]
    requests: u64,
    /// How many of them at a time
    #[arg(long)]
    concurrency: u64,
    /// HTTP method, or kind of gRPC call
    #[arg(long)]
    pub method: String,
    /// Request target, or full method name
    #[arg(long)]
    pub path: String,
    /// Bytes of a request's body
    #[arg(long)]
    body: usize,
    /// Bytes of the whole response
    #[arg(long)]
    response: usize,
    /// Each worker pauses after this number of requests; 0: never
    #[arg(long)]
    burst: u64,
    /// Milliseconds
    #[arg(long)]
    pause: u64,
    /// Milliseconds after which an odd request is cancelled; 0: never
    #[arg(long)]
    cancel: u64,
    /// Milliseconds after which a request without a response is cancelled
    #[arg(long)]
    timeout: u64,
    /// Send Expect: 100-continue
    #[arg(long)]
    expect: bool,
    /// The response ends with x-trailer: end
    #[arg(long)]
    pub trailers: bool,
    /// Bodies are streams that cannot be read a second time
    #[arg(long)]
    pub stream: bool,
}

/// The protocol, in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    H1,
    H2,
    Grpc,
    Ws,
}

impl Args {
    /// Parses the flags of a client that speaks these protocols; exits if they are invalid.
    pub fn parse(protocols: &[Protocol]) -> Self {
        let args = <Self as Parser>::parse();
        let http = matches!(args.protocol, Protocol::H1 | Protocol::H2);
        if !protocols.contains(&args.protocol) {
            does_not_apply(&format!("the library does not speak {:?}", args.protocol));
        }
        if args.expect {
            does_not_apply("the library does not wait for a 100 (Continue)");
        }
        if args.trailers && !http {
            does_not_apply(&format!("{:?} has no such thing", args.protocol));
        }
        args
    }

    /// The URL to ask.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// The headers of a request.
    pub fn headers(&self, number: u64) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-id", number.into());
        if self.trailers {
            // A server sends trailers only to a client that accepts them (RFC 9110, section 6.5.1).
            headers.insert("te", http::HeaderValue::from_static("trailers"));
        }
        headers
    }

    /// The body of a request, different for each, so that a response to another request is detected.
    pub fn body(&self, number: u64) -> Vec<u8> {
        let text = format!("body of {number} ");
        text.bytes().cycle().take(self.body).collect()
    }

    /// Whether the response is the one to this request.
    ///
    /// # Errors
    /// When it is not: how it differs.
    pub fn check(&self, number: u64, status: u16, content: &[u8]) -> Result<(), BoxError> {
        let length = if self.method == "HEAD" {
            0
        } else {
            self.response
        };
        let messages = if ["CLIENT", "BIDI"].contains(&self.method.as_str()) {
            MESSAGES
        } else {
            1
        };
        if status != 200 {
            return Err(format!("status {status}").into());
        }
        if content.len() != length {
            return Err(format!("{} bytes instead of {length}", content.len()).into());
        }
        if ECHOES.contains(&self.path.as_str()) && content != self.body(number).repeat(messages) {
            return Err("another body than was sent".into());
        }
        if self.path == "/count" && content != format!("{:016}", self.body).as_bytes() {
            return Err("the server received another length than was sent".into());
        }
        Ok(())
    }

    /// Whether the response ended as it should.
    ///
    /// # Errors
    /// When the expected trailer is missing.
    pub fn check_trailers(&self, trailers: Option<&http::HeaderMap>) -> Result<(), BoxError> {
        let end = trailers.and_then(|trailers| trailers.get("x-trailer"));
        self.check_trailer(end.map(http::HeaderValue::as_bytes))
    }

    /// As [`Args::check_trailers`], given the value of `x-trailer`.
    ///
    /// # Errors
    /// When the expected trailer is missing.
    pub fn check_trailer(&self, end: Option<&[u8]>) -> Result<(), BoxError> {
        if self.trailers && end.is_none_or(|end| end != b"end") {
            return Err("no trailer".into());
        }
        Ok(())
    }

    fn cancelled(&self, number: u64) -> bool {
        self.cancel > 0 && number % 2 == 1
    }

    /// When the request is cancelled.
    fn request_timeout(&self, number: u64) -> Duration {
        Duration::from_millis(if self.cancelled(number) {
            self.cancel
        } else {
            self.timeout
        })
    }

    /// How long a worker waits before its next request, after this number of requests.
    fn pause(&self, done: u64) -> Duration {
        if self.burst > 0 && done.is_multiple_of(self.burst) {
            Duration::from_millis(self.pause)
        } else {
            Duration::ZERO
        }
    }
}

/// Exits because the library does not support the pattern.
pub fn does_not_apply(why: &str) -> ! {
    eprintln!("this pattern does not apply: {why}");
    exit(DOES_NOT_APPLY)
}
