//! A client and a server of the h2 crate exchange requests through the scanner, and a GOAWAY is inserted at each
//! boundary that it reports: the peers must accept it and lose no request.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

mod h2_peers;

use evenkeel_wire::h2::{Http2Scanner, Http2Write, MAX_STREAM_ID, goaway_frame};
use h2_peers::{Outcome, Random, client, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// More than any run sends, so that writes do not block and the relay makes progress.
const PIPE: usize = 1 << 26;

/// Which boundaries get a GOAWAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inject {
    Nowhere,
    /// The nth boundary, refusing no stream.
    At(usize),
    /// The nth boundary and every later one, refusing no stream.
    From(usize),
    /// The end of the nth write that ends the last stream, refusing requests in transit.
    ExactAtIdle(usize),
    /// Before the frame that ends the last stream in the nth such write, refusing no stream.
    BeforeIdle(usize),
}

/// Forwards bytes, scans them and inserts GOAWAY frames.
struct Relay {
    connection: Http2Scanner,
    inject: Inject,
    random: Random,
    boundaries: usize,
    last_stream_ends: usize,
    injected: usize,
    refuses: bool,
    /// Everything that the server has written.
    written: Vec<u8>,
    /// Its length before the first GOAWAY.
    first_injected_at: Option<usize>,
}

impl Relay {
    fn new(inject: Inject, random: Random) -> Self {
        Self {
            connection: Http2Scanner::default(),
            inject,
            random,
            boundaries: 0,
            last_stream_ends: 0,
            injected: 0,
            refuses: false,
            written: Vec::new(),
            first_injected_at: None,
        }
    }

    async fn run(mut self, mut client: DuplexStream, mut server: DuplexStream) -> Self {
        let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let (mut client_open, mut server_open) = (true, true);
        while client_open || server_open {
            let (most_up, most_down) = (self.callback_len(), self.callback_len());
            // Sometimes the bytes of the client arrive later.
            let is_delayed = self.random.below(4) != 0;
            tokio::select! {
                biased;
                count = client.read(&mut up[..most_up]), if client_open && !is_delayed => match count.unwrap() {
                    0 => {
                        client_open = false;
                        server.shutdown().await.unwrap();
                    }
                    count if self.refuses => assert_ne!(count, 0),
                    count => {
                        self.connection.scan_downstream(&mut &up[..count]).unwrap();
                        server.write_all(&up[..count]).await.unwrap();
                    }
                },
                count = server.read(&mut down[..most_down]), if server_open => match count.unwrap() {
                    0 => {
                        server_open = false;
                        client.shutdown().await.unwrap();
                    }
                    count => {
                        let write = self.connection.scan_upstream(&mut &down[..count]).unwrap();
                        let out = self.splice(&down[..count], write);
                        // The client may have closed the connection.
                        client.write_all(&out).await.ok();
                    }
                },
                () = tokio::task::yield_now(), if is_delayed => {}
            }
        }
        self
    }

    /// The maximum length of the next callback.
    fn callback_len(&mut self) -> usize {
        match self.random.below(4) {
            0 => 1 + self.random.below(40),
            1 => 1 + self.random.below(2000),
            _ => 1 << 16,
        }
    }

    fn splice(&mut self, bytes: &[u8], write: Http2Write) -> Vec<u8> {
        let before_end = write.last_stream_end.and_then(|end| end.frame_at);
        let mut goaways = Vec::new();
        let all = [
            write.fits_at_start.then_some(0),
            before_end,
            write.fits_at_end.then_some(bytes.len()),
        ];
        for at in all.into_iter().flatten() {
            let chosen = match self.inject {
                Inject::At(nth) => nth == self.boundaries,
                Inject::From(nth) => nth <= self.boundaries,
                _ => false,
            };
            self.boundaries += 1;
            goaways.extend(chosen.then_some((at, goaway_frame(MAX_STREAM_ID))));
        }
        if write.last_stream_end.is_some() {
            match self.inject {
                Inject::ExactAtIdle(nth) if nth == self.last_stream_ends && write.fits_at_end => {
                    goaways.push((bytes.len(), goaway_frame(self.connection.last_stream_id())));
                    self.refuses = true;
                }
                Inject::BeforeIdle(nth) if nth == self.last_stream_ends => {
                    goaways.extend(before_end.map(|at| (at, goaway_frame(MAX_STREAM_ID))));
                }
                _ => {}
            }
            self.last_stream_ends += 1;
        }
        let mut out = bytes.to_vec();
        for (at, goaway) in goaways.iter().rev() {
            out.splice(*at..*at, *goaway);
        }
        self.injected += goaways.len();
        let first = goaways.first().map(|(at, _)| self.written.len() + at);
        self.first_injected_at = self.first_injected_at.or(first);
        self.written.extend_from_slice(bytes);
        out
    }
}

struct Run {
    relay: Relay,
    outcomes: Vec<Outcome>,
    /// The client received a GOAWAY.
    got_goaway: bool,
    served: usize,
    /// The server found no error, up to the last byte.
    clean: bool,
}

impl Run {
    /// Whether a GOAWAY preceded the acknowledgement of the client's first PING: then the client must have read it,
    /// because it sends another PING before it closes.
    fn must_get_goaway(&self) -> bool {
        let ack = [&[0, 0, 8, 6, 1], &[0; 4][..]].concat();
        let ack = self
            .relay
            .written
            .windows(ack.len())
            .position(|bytes| bytes == ack);
        self.relay
            .first_injected_at
            .is_some_and(|at| ack.is_none_or(|ack| at <= ack))
    }
}

fn run(seed: u64, inject: Inject) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client_end, client_side) = duplex(PIPE);
        let (server_side, server_end) = duplex(PIPE);
        let relay = tokio::spawn(Relay::new(inject, Random(seed)).run(client_side, server_side));
        let server = tokio::spawn(server(server_end));
        let (outcomes, got_goaway) = client(client_end, Random(seed ^ 0x5eed)).await;
        let (served, clean) = server.await.unwrap();
        Run {
            relay: relay.await.unwrap(),
            outcomes,
            got_goaway,
            served,
            clean,
        }
    })
}

fn check(run: &Run, seed: u64, inject: Inject) {
    let served = run
        .outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Served)
        .count();
    let context = format!("seed {seed}, {inject:?}: {:?}", run.outcomes);
    assert_eq!(run.relay.connection.active(), 0, "{context}");
    assert_eq!(run.served, served, "{context}");
    assert_eq!(
        run.relay.connection.requests(),
        u64::try_from(served).unwrap(),
        "{context}"
    );
    assert!(run.got_goaway || !run.must_get_goaway(), "{context}");
    assert!(run.relay.injected > 0 || !run.got_goaway, "{context}");
    if !matches!(inject, Inject::ExactAtIdle(_)) {
        assert_eq!(served, run.outcomes.len(), "{context}");
        assert!(run.clean, "{context}");
    }
}

const SEEDS: std::ops::Range<u64> = 0..20;

#[test]
fn unmodified_connections_are_followed_to_the_end() {
    let mut multiplexed = 0;
    for seed in SEEDS {
        let run = run(seed, Inject::Nowhere);
        check(&run, seed, Inject::Nowhere);
        multiplexed += usize::from(run.relay.connection.multiplexes());
    }
    assert!(multiplexed > 10, "only {multiplexed}");
}

#[test]
fn goaway_at_any_boundary_loses_no_request() {
    for seed in SEEDS {
        let boundaries = run(seed, Inject::Nowhere).relay.boundaries;
        for nth in (0..boundaries).step_by(1 + boundaries / 16) {
            for inject in [Inject::At(nth), Inject::From(nth)] {
                let run = run(seed, inject);
                assert_ne!(run.relay.injected, 0, "seed {seed}: {nth} of {boundaries}");
                check(&run, seed, inject);
            }
        }
    }
}

#[test]
fn goaway_on_an_idle_connection_loses_no_accepted_request() {
    let (mut injected, mut refused) = (0, 0);
    for seed in SEEDS {
        let ends = run(seed, Inject::Nowhere).relay.last_stream_ends;
        assert_ne!(ends, 0);
        for nth in 0..ends {
            for inject in [Inject::ExactAtIdle(nth), Inject::BeforeIdle(nth)] {
                let run = run(seed, inject);
                check(&run, seed, inject);
                injected += run.relay.injected;
                refused += run.outcomes.len() - run.served;
            }
        }
    }
    assert!(injected > 50 && refused > 5, "only {injected}, {refused}");
}

/// hyper uses this library, with its own settings.
#[test]
fn hyper_is_identified_by_the_first_frames_of_h2() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let client = runtime.block_on(async {
        let (client_end, mut here) = duplex(PIPE);
        let peer = tokio::spawn(h2_peers::hyper(client_end));
        let mut connection = Http2Scanner::default();
        let mut bytes = vec![0; 1 << 16];
        while connection.requests() == 0 {
            let count = here.read(&mut bytes).await.unwrap();
            assert_ne!(count, 0, "closed without a request");
            connection.scan_downstream(&mut &bytes[..count]).unwrap();
        }
        peer.abort();
        connection.client().name
    });
    assert_eq!(client, "reqwest_hyper");
}
