//! Which client is at the other end, told by its first frames, and how it takes a GOAWAY.
//!
//! Clients differ in what they do with a GOAWAY: some lose requests when it stands behind the frame that
//! ends the last stream, some when it stands before, some whenever another stream is open. What they have
//! in common is that each sends SETTINGS of its own, so these choose the words, their place and their
//! moment. The choices were measured, each client against a scripted server.

use super::greeting::Greeting;

/// A client family and how it takes a GOAWAY.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    /// Its name, of `a-z 0-9 _ -`: it labels metrics.
    pub family: &'static str,
    /// The versions that it was measured with.
    pub version: &'static str,
    /// Its first SETTINGS frame: identifiers and values in order (RFC 9113 6.5.2); None for a value that
    /// its users configure.
    pub settings: &'static [(u16, Option<u32>)],
    /// Its first WINDOW_UPDATE on stream 0, if it comes before the first request.
    pub window_update: WindowUpdate,
    /// The last-stream-id that loses least.
    pub goaway: Goaway,
    /// The place that loses least, where the GOAWAY rides in the write that ends the last stream.
    pub place: Place,
    /// What it makes of a GOAWAY while streams are open.
    pub busy: Busy,
    /// When it may be told, once nothing is active.
    pub calm: Calm,
    /// The gRPC library that greets in the same way. It is sent trailers, which tells the two apart.
    pub grpc: Option<&'static Client>,
    /// After a GOAWAY it closes by itself as soon as it is idle.
    pub closes: bool,
}

/// How a client widens the connection's window (RFC 9113 6.9) before its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowUpdate {
    /// Not at all.
    Never,
    /// By so many bytes.
    By(u32),
    /// In no way that tells it.
    Any,
}

/// The last-stream-id of a GOAWAY (RFC 9113 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goaway {
    /// [`MAX_STREAM_ID`](super::MAX_STREAM_ID): what is on its way is still served.
    Max,
    /// The highest stream that the client has opened: what is on its way is refused.
    Exact,
}

/// Where a GOAWAY stands in the write that ends the last stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// After the last frame.
    After,
    /// Before the frame that ends the stream.
    Before,
}

/// What a client makes of a GOAWAY while streams are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// It serves what is open and opens no more.
    Bears,
    /// It may lose a request: better wait for a quiet moment.
    Avoid,
    /// It loses what is open.
    Never,
}

/// Which moments are calm enough for a client, once nothing is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calm {
    /// Every one.
    Any,
    /// The end of an answer that took some milliseconds: one that is answered at once is lost, although it
    /// was executed, because the client has not yet looked round when the GOAWAY comes.
    Slow,
    /// Every one, busy ones too, of a connection that has been open for a while: a request that meets a
    /// second connection that has just been told gives up.
    Settled,
    /// Rest alone: it sends the next request before it looks, and loses it.
    Rest,
}

/// What is done where nothing else is known to be better.
const CAUTIOUS: Client = Client {
    family: "unknown",
    version: "",
    settings: &[],
    window_update: WindowUpdate::Any,
    goaway: Goaway::Max,
    place: Place::After,
    busy: Busy::Avoid,
    calm: Calm::Any,
    grpc: None,
    closes: false,
};

/// Any client that [`CLIENTS`] does not have.
pub static UNKNOWN: Client = CAUTIOUS;

/// It bears what Node, which greets alike, does not; but Node, too, can be sent trailers, so the place is
/// Node's.
static GRPC_GO: Client = Client {
    family: "grpc-go",
    version: "1.85",
    place: Place::Before,
    busy: Busy::Bears,
    closes: true,
    ..CAUTIOUS
};

/// It hands its next request to a connection that has been told, and does not send it again.
static TONIC: Client = Client {
    family: "tonic",
    version: "0.14",
    busy: Busy::Never,
    calm: Calm::Rest,
    closes: true,
    ..CAUTIOUS
};

/// The clients that are known; the first that matches counts.
pub static CLIENTS: &[Client] = &[
    Client {
        family: "envoy",
        version: "1.40",
        settings: &[any(2), any(1), any(8), any(3), any(4)],
        busy: Busy::Bears,
        closes: true,
        ..CAUTIOUS
    },
    Client {
        family: "httpx",
        version: "0.24-0.28",
        settings: &[
            is(1, 4096),
            is(2, 0),
            is(4, 65_535),
            is(5, 16_384),
            is(3, 100),
            is(6, 65_536),
        ],
        window_update: WindowUpdate::By(16_777_216),
        goaway: Goaway::Exact,
        busy: Busy::Never,
        closes: true,
        ..CAUTIOUS
    },
    Client {
        // Whether it closes is the application's choice.
        family: "python-h2",
        version: "4",
        settings: &[
            is(1, 4096),
            is(2, 1),
            is(4, 65_535),
            is(5, 16_384),
            is(8, 0),
            is(3, 100),
            is(6, 65_536),
        ],
        window_update: WindowUpdate::Never,
        goaway: Goaway::Exact,
        busy: Busy::Never,
        ..CAUTIOUS
    },
    Client {
        // 7.30 loses the request behind the answer, whichever GOAWAY it is; 8 greets alike.
        family: "undici",
        version: "7.20-8",
        settings: &[is(2, 0), is(4, 262_144)],
        window_update: WindowUpdate::By(458_753),
        goaway: Goaway::Exact,
        busy: Busy::Never,
        calm: Calm::Rest,
        closes: true,
        ..CAUTIOUS
    },
    Client {
        family: "undici",
        version: "7.0-7.18",
        settings: &[is(2, 0)],
        window_update: WindowUpdate::Never,
        goaway: Goaway::Exact,
        busy: Busy::Never,
        closes: true,
        ..CAUTIOUS
    },
    Client {
        // Node loses the next request unless GOAWAY comes first, and with several streams those that it
        // has not sent yet.
        family: "node_grpc-go",
        version: "20-24",
        settings: &[],
        place: Place::Before,
        busy: Busy::Never,
        grpc: Some(&GRPC_GO),
        closes: true,
        ..CAUTIOUS
    },
    Client {
        family: "go",
        version: "1.26",
        settings: &[is(2, 0), is(4, 4_194_304), is(5, 16_384), is(6, 10_485_760)],
        window_update: WindowUpdate::By(1_073_741_824),
        busy: Busy::Bears,
        closes: true,
        ..CAUTIOUS
    },
    Client {
        family: "grpc-js",
        version: "1",
        settings: &[is(4, 65_535)],
        busy: Busy::Bears,
        closes: true,
        ..CAUTIOUS
    },
    Client {
        family: "grpcio",
        version: "1",
        settings: &[
            is(2, 0),
            is(3, 0),
            is(4, 4_194_304),
            is(5, 4_194_304),
            is(6, 16_384),
            is(65_027, 1),
        ],
        busy: Busy::Bears,
        closes: true,
        ..CAUTIOUS
    },
    Client {
        family: "grpc-java",
        version: "1",
        settings: &[is(2, 0), is(3, 0), is(4, 1_048_576), is(6, 8192)],
        busy: Busy::Bears,
        ..CAUTIOUS
    },
    Client {
        family: "curl",
        version: "8.23",
        settings: &[is(3, 100), is(4, 65_536), is(2, 0)],
        window_update: WindowUpdate::By(1_048_510_465),
        busy: Busy::Bears,
        closes: true,
        ..CAUTIOUS
    },
    Client {
        // Hyper takes a request that is answered before it has looked round for one that the GOAWAY
        // refused; reqwest sends it again, and it runs twice.
        family: "reqwest_hyper_tonic",
        version: "0.13, 1.12",
        settings: &[is(2, 0), is(4, 2_097_152), is(5, 16_384), is(6, 16_384)],
        window_update: WindowUpdate::By(5_177_345),
        busy: Busy::Never,
        calm: Calm::Slow,
        grpc: Some(&TONIC),
        closes: true,
        ..CAUTIOUS
    },
    Client {
        // Its versions cannot be told apart: 17.0.15 loses requests at the end of an answer, too, 17.0.21
        // and later lose none and never close by themselves. Waiting, and for nobody to close, costs time.
        family: "jdk",
        version: "17-25",
        settings: &[
            is(1, 16_384),
            is(2, 0),
            is(3, 0),
            is(4, 16_777_216),
            is(5, 16_384),
            is(6, 393_216),
        ],
        window_update: WindowUpdate::By(33_488_897),
        busy: Busy::Never,
        calm: Calm::Rest,
        ..CAUTIOUS
    },
    Client {
        // A call that is about to use a connection that has been told takes another one, but only once.
        family: "okhttp",
        version: "5.5",
        settings: &[is(4, 16_777_216)],
        window_update: WindowUpdate::By(16_711_681),
        busy: Busy::Bears,
        calm: Calm::Settled,
        ..CAUTIOUS
    },
    Client {
        family: "jetty",
        version: "12.1",
        settings: &[is(3, 32), is(4, 8_388_608)],
        window_update: WindowUpdate::By(16_711_681),
        ..CAUTIOUS
    },
    Client {
        family: "reactor-netty",
        version: "1.3",
        settings: &[is(3, 100), is(6, 8192)],
        window_update: WindowUpdate::Never,
        busy: Busy::Bears,
        ..CAUTIOUS
    },
];

const fn is(id: u16, value: u32) -> (u16, Option<u32>) {
    (id, Some(value))
}

const fn any(id: u16) -> (u16, Option<u32>) {
    (id, None)
}

impl Client {
    /// The client that greets so, or [`UNKNOWN`].
    pub(super) fn of(greeting: &Greeting) -> &'static Self {
        CLIENTS
            .iter()
            .find(|client| client.matches(greeting))
            .unwrap_or(&UNKNOWN)
    }

    fn matches(&self, greeting: &Greeting) -> bool {
        let update_fits = match self.window_update {
            WindowUpdate::Never => greeting.window_update().is_none(),
            WindowUpdate::By(bytes) => greeting.window_update() == Some(bytes),
            WindowUpdate::Any => true,
        };
        update_fits
            && greeting.settings().is_some_and(|sent| {
                sent.len() == self.settings.len()
                    && sent
                        .iter()
                        .zip(self.settings)
                        .all(|(&(id, value), &(own, fixed))| {
                            id == own && fixed.is_none_or(|fixed| fixed == value)
                        })
            })
    }
}
