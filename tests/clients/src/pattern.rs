//! The ways in which clients send requests, as flags of their programs.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::client::Protocol;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const MIB_10: u64 = 10 * MIB;
/// The length of the response to `GET /`, the server's name.
const NAME: u64 = 8;

/// A way to send requests, as flags of the contract (README.md of this folder).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The name on the command line and in tables.
    pub name: &'static str,
    /// `--method`.
    pub method: &'static str,
    /// `--path`.
    pub path: &'static str,
    /// `--concurrency`.
    pub concurrency: u64,
    /// `--body`, in bytes.
    pub body: u64,
    /// `--response`, in bytes.
    pub response: u64,
    /// `--burst` and `--pause`, requests and milliseconds.
    pub pauses: (u64, u64),
    /// `--cancel`, in milliseconds.
    pub cancel: u64,
    /// The switch, if any.
    pub switch: Option<&'static str>,
    /// How many plain requests cost as much as one of this pattern, which gets fewer accordingly.
    pub weight: u64,
    /// The minimum number of requests.
    pub least: u64,
}

const PLAIN: Pattern = Pattern {
    name: "get",
    method: "GET",
    path: "/",
    concurrency: 1,
    body: 0,
    response: NAME,
    pauses: (0, 0),
    cancel: 0,
    switch: None,
    weight: 1,
    least: 8,
};

const POST: Pattern = Pattern {
    name: "post",
    method: "POST",
    path: "/echo",
    body: KIB,
    response: KIB,
    ..PLAIN
};

/// Pauses in which a connection is idle, for clients that are drained only when idle.
const RESTS: Pattern = Pattern {
    name: "rests",
    concurrency: 4,
    // Such a client is drained after a second of silence. The rest of the pause is for a loaded machine, on which
    // the four workers do not pause at the same time.
    pauses: (5, 2500),
    weight: 100,
    // Two pauses for each of the four workers.
    least: 60,
    ..PLAIN
};

/// Fifty messages of a KiB, one every twenty milliseconds.
const STREAM: u64 = 50 * KIB;

const UNARY: Pattern = Pattern {
    name: "unary",
    method: "UNARY",
    path: "/evenkeel.Test/Echo",
    ..POST
};

const HTTP: &[Pattern] = &[
    PLAIN,
    Pattern {
        name: "get-16",
        concurrency: 16,
        ..PLAIN
    },
    POST,
    Pattern {
        name: "post-16",
        concurrency: 16,
        ..POST
    },
    // Bodies that the client cannot read a second time, so that it can send a request only once.
    Pattern {
        name: "post-stream",
        concurrency: 16,
        switch: Some("--stream"),
        ..POST
    },
    Pattern {
        name: "bursts",
        concurrency: 16,
        pauses: (10, 50),
        ..PLAIN
    },
    Pattern {
        name: "slow",
        path: "/delay/10",
        weight: 5,
        least: 50,
        ..PLAIN
    },
    RESTS,
    Pattern {
        name: "upload",
        path: "/count",
        concurrency: 2,
        body: MIB_10,
        response: 16,
        weight: 100,
        ..POST
    },
    Pattern {
        name: "download",
        path: "/bytes/10485760",
        concurrency: 2,
        response: MIB_10,
        weight: 100,
        ..PLAIN
    },
    Pattern {
        name: "stream",
        path: "/trickle/50/20",
        concurrency: 4,
        response: STREAM,
        weight: 100,
        ..PLAIN
    },
    Pattern {
        name: "trailers",
        path: "/trailers",
        switch: Some("--trailers"),
        weight: 2,
        ..PLAIN
    },
    Pattern {
        name: "expect",
        switch: Some("--expect"),
        weight: 2,
        ..POST
    },
    Pattern {
        name: "head",
        method: "HEAD",
        response: 0,
        weight: 2,
        ..PLAIN
    },
    Pattern {
        name: "cancel",
        path: "/delay/20",
        concurrency: 4,
        cancel: 5,
        weight: 10,
        ..PLAIN
    },
];

const GRPC: &[Pattern] = &[
    UNARY,
    Pattern {
        name: "unary-16",
        concurrency: 16,
        ..UNARY
    },
    Pattern {
        name: "bursts",
        concurrency: 16,
        pauses: (10, 50),
        ..UNARY
    },
    Pattern {
        method: UNARY.method,
        path: UNARY.path,
        body: KIB,
        response: KIB,
        ..RESTS
    },
    Pattern {
        name: "server-stream",
        method: "SERVER",
        path: "/evenkeel.Test/Stream/50/20",
        concurrency: 4,
        body: 0,
        response: STREAM,
        weight: 100,
        ..UNARY
    },
    Pattern {
        name: "client-stream",
        method: "CLIENT",
        path: "/evenkeel.Test/Chat",
        concurrency: 16,
        response: 4 * KIB,
        weight: 4,
        ..UNARY
    },
    Pattern {
        name: "bidi",
        method: "BIDI",
        path: "/evenkeel.Test/Chat",
        concurrency: 4,
        response: 4 * KIB,
        weight: 4,
        ..UNARY
    },
];

const WEBSOCKET: &[Pattern] = &[Pattern {
    name: "messages",
    method: "SEND",
    path: "/ws/20",
    concurrency: 4,
    body: KIB,
    response: KIB,
    // Longer than any delay of a loaded machine after the 100 ms of silence that drain a WebSocket: a message
    // that crosses a Close frame is lost.
    pauses: (5, 600),
    weight: 10,
    // Three pauses for each of the four connections: in the first one it may not have expired yet.
    least: 60,
    ..PLAIN
}];

impl Pattern {
    /// The patterns of a protocol.
    pub fn of(protocol: Protocol) -> &'static [Self] {
        match protocol {
            Protocol::Http1 | Protocol::Http2 => HTTP,
            Protocol::Grpc => GRPC,
            Protocol::WebSocket => WEBSOCKET,
        }
    }

    /// Checks that each of these names is a pattern of some protocol.
    ///
    /// # Errors
    /// When there is no such pattern; lists the known ones.
    pub fn check(names: &[String]) -> Result<()> {
        let mut known: Vec<_> = [HTTP, GRPC, WEBSOCKET]
            .concat()
            .iter()
            .map(|p| p.name)
            .collect();
        known.sort_unstable();
        known.dedup();
        match names.iter().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => bail!("no pattern {name}; there are {}", known.join(", ")),
        }
    }

    /// Whether a run spends most of its time in pauses, or in responses that the server sends slowly.
    pub fn mostly_waits(&self) -> bool {
        ["rests", "stream", "server-stream", "messages"].contains(&self.name)
    }

    /// How many requests it gets where a plain pattern gets `requests`: as many as take about as long, and
    /// enough for some drains.
    pub fn share(&self, requests: u64) -> u64 {
        let least = self.least.max(self.concurrency * 4);
        (requests / self.weight).max(least)
    }

    /// How long a client waits for a response. It grows with the body: the first 10 MiB over TLS take a Java VM that
    /// has not compiled its code yet more than 10 s on a busy machine, without any proxy that drains.
    pub fn timeout(&self) -> Duration {
        let mib = self.body.max(self.response) / MIB;
        Duration::from_secs(20 + 5 * mib)
    }

    /// The flags of the contract for this number of requests.
    pub fn flags(&self, requests: u64) -> Vec<String> {
        let numbers = [
            ("--requests", requests),
            ("--concurrency", self.concurrency),
            ("--body", self.body),
            ("--response", self.response),
            ("--burst", self.pauses.0),
            ("--pause", self.pauses.1),
            ("--cancel", self.cancel),
            ("--timeout", self.timeout().as_secs() * 1000),
        ];
        let numbers = numbers.map(|(flag, n)| [flag.to_owned(), n.to_string()]);
        let texts = [("--method", self.method), ("--path", self.path)];
        let texts = texts.map(|(flag, text)| [flag.to_owned(), text.to_owned()]);
        numbers
            .into_iter()
            .chain(texts)
            .flatten()
            .chain(self.switch.map(str::to_owned))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expensive_pattern_gets_fewer_requests() {
        let upload = HTTP.iter().find(|p| p.name == "upload").unwrap();

        assert_eq!((upload.share(10_000), upload.share(10)), (100, 8));
    }

    #[test]
    fn timeout_grows_with_the_body() {
        let seconds = |name| {
            let pattern = HTTP.iter().find(|p| p.name == name).unwrap();
            pattern.timeout().as_secs()
        };

        assert_eq!(["get", "upload", "download"].map(seconds), [20, 70, 70]);
    }

    #[test]
    fn unknown_pattern_lists_the_known_ones() {
        let error = Pattern::check(&["gets".to_owned()])
            .unwrap_err()
            .to_string();

        assert!(error.starts_with("no pattern gets; there are bidi, bursts"));
        assert!(Pattern::check(&["get".to_owned(), "messages".to_owned()]).is_ok());
    }

    #[test]
    fn pattern_names_are_unique_within_a_protocol() {
        for patterns in [HTTP, GRPC, WEBSOCKET] {
            let mut names: Vec<_> = patterns.iter().map(|p| p.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), patterns.len());
        }
    }
}
