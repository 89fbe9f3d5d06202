//! A client and a server of the h2 crate talk through the scanner, and GOAWAY is put wherever it offers a
//! place: the peers must find nothing wrong with it, and lose nothing.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)]

mod h2_peers;

use evenkeel_wire::h2::{Http2Scanner, Http2Write, MAX_STREAM_ID, goaway_frame};
use h2_peers::{Outcome, Random, client, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// More than any run sends: who writes into it never waits, so that the relay cannot stand still.
const PIPE: usize = 1 << 26;

/// Which of the places that are offered get a GOAWAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inject {
    Nowhere,
    /// At the nth place, refusing nothing.
    At(usize),
    /// At the nth place and every later one, refusing nothing.
    From(usize),
    /// At the end of the nth write that ends the last stream, refusing what is on its way.
    ExactAtQuiet(usize),
    /// Before the frame that ends the last stream of the nth such write, refusing nothing.
    BeforeQuiet(usize),
}

/// What passes bytes on and looks at them.
struct Relay {
    connection: Http2Scanner,
    inject: Inject,
    random: Random,
    places: usize,
    last_stream_end: usize,
    injected: usize,
    refuses: bool,
    /// All that the server has written.
    written: Vec<u8>,
    /// How much of it stands before the first GOAWAY.
    first_injected_at: Option<usize>,
}

impl Relay {
    fn new(inject: Inject, random: Random) -> Self {
        Self {
            connection: Http2Scanner::default(),
            inject,
            random,
            places: 0,
            last_stream_end: 0,
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
            let (most_up, most_down) = (self.cut(), self.cut());
            // At times the client's bytes are still on their way.
            let held = self.random.below(4) != 0;
            tokio::select! {
                biased;
                count = client.read(&mut up[..most_up]), if client_open && !held => match count.unwrap() {
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
                        // A client that has left reads no more.
                        client.write_all(&out).await.ok();
                    }
                },
                () = tokio::task::yield_now(), if held => {}
            }
        }
        self
    }

    /// How many bytes the next callback has at most.
    fn cut(&mut self) -> usize {
        match self.random.below(4) {
            0 => 1 + self.random.below(40),
            1 => 1 + self.random.below(2000),
            _ => 1 << 16,
        }
    }

    fn splice(&mut self, bytes: &[u8], write: Http2Write) -> Vec<u8> {
        let before_quiet = write.last_stream_end.and_then(|quiet| quiet.frame_at);
        let mut words = Vec::new();
        let all = [
            write.fits_at_start.then_some(0),
            before_quiet,
            write.fits_at_end.then_some(bytes.len()),
        ];
        for at in all.into_iter().flatten() {
            let chosen = match self.inject {
                Inject::At(nth) => nth == self.places,
                Inject::From(nth) => nth <= self.places,
                _ => false,
            };
            self.places += 1;
            words.extend(chosen.then_some((at, goaway_frame(MAX_STREAM_ID))));
        }
        if write.last_stream_end.is_some() {
            match self.inject {
                Inject::ExactAtQuiet(nth) if nth == self.last_stream_end && write.fits_at_end => {
                    words.push((bytes.len(), goaway_frame(self.connection.last_stream_id())));
                    self.refuses = true;
                }
                Inject::BeforeQuiet(nth) if nth == self.last_stream_end => {
                    words.extend(before_quiet.map(|at| (at, goaway_frame(MAX_STREAM_ID))));
                }
                _ => {}
            }
            self.last_stream_end += 1;
        }
        let mut out = bytes.to_vec();
        for (at, word) in words.iter().rev() {
            out.splice(*at..*at, *word);
        }
        self.injected += words.len();
        let first = words.first().map(|(at, _)| self.written.len() + at);
        self.first_injected_at = self.first_injected_at.or(first);
        self.written.extend_from_slice(bytes);
        out
    }
}

struct Run {
    relay: Relay,
    outcomes: Vec<Outcome>,
    /// The client ended because it was told to go away.
    told: bool,
    served: usize,
    /// The server saw nothing wrong, down to the last byte.
    clean: bool,
}

impl Run {
    /// The client was told before the answer to its first ping had passed: it must have heard it then,
    /// because it pings again before it leaves.
    fn must_be_told(&self) -> bool {
        let pong = [&[0, 0, 8, 6, 1], &[0; 4][..]].concat();
        let pong = self
            .relay
            .written
            .windows(pong.len())
            .position(|bytes| bytes == pong);
        self.relay
            .first_injected_at
            .is_some_and(|at| pong.is_none_or(|pong| at <= pong))
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
        let (outcomes, told) = client(client_end, Random(seed ^ 0x5eed)).await;
        let (served, clean) = server.await.unwrap();
        Run {
            relay: relay.await.unwrap(),
            outcomes,
            told,
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
    assert!(run.told || !run.must_be_told(), "{context}");
    assert!(run.relay.injected > 0 || !run.told, "{context}");
    if !matches!(inject, Inject::ExactAtQuiet(_)) {
        assert_eq!(served, run.outcomes.len(), "{context}");
        assert!(run.clean, "{context}");
    }
}

const SEEDS: std::ops::Range<u64> = 0..20;

#[test]
fn peers_that_are_only_watched_are_followed_to_the_end() {
    let mut multiplexed = 0;
    for seed in SEEDS {
        let run = run(seed, Inject::Nowhere);
        check(&run, seed, Inject::Nowhere);
        multiplexed += usize::from(run.relay.connection.multiplexes());
    }
    assert!(multiplexed > 10, "only {multiplexed}");
}

#[test]
fn a_goaway_at_any_place_that_is_offered_and_at_all_behind_it_loses_nothing() {
    for seed in SEEDS {
        let offered = run(seed, Inject::Nowhere).relay.places;
        for nth in (0..offered).step_by(1 + offered / 16) {
            for inject in [Inject::At(nth), Inject::From(nth)] {
                let run = run(seed, inject);
                assert_ne!(run.relay.injected, 0, "seed {seed}: {nth} of {offered}");
                check(&run, seed, inject);
            }
        }
    }
}

#[test]
fn a_goaway_at_a_quiet_moment_loses_nothing_that_was_accepted() {
    let (mut injected, mut refused) = (0, 0);
    for seed in SEEDS {
        let moments = run(seed, Inject::Nowhere).relay.last_stream_end;
        assert_ne!(moments, 0);
        for nth in 0..moments {
            for inject in [Inject::ExactAtQuiet(nth), Inject::BeforeQuiet(nth)] {
                let run = run(seed, inject);
                check(&run, seed, inject);
                injected += run.relay.injected;
                refused += run.outcomes.len() - run.served;
            }
        }
    }
    assert!(injected > 50 && refused > 5, "only {injected}, {refused}");
}

/// As hyper, and what is built on it, sets up this very library.
#[test]
fn hyper_is_known_by_what_h2_sends_for_it() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let family = runtime.block_on(async {
        let (client_end, mut here) = duplex(PIPE);
        let peer = tokio::spawn(h2_peers::hyper(client_end));
        let mut connection = Http2Scanner::default();
        let mut bytes = vec![0; 1 << 16];
        while connection.requests() == 0 {
            let count = here.read(&mut bytes).await.unwrap();
            assert_ne!(count, 0, "it left without a request");
            connection.scan_downstream(&mut &bytes[..count]).unwrap();
        }
        peer.abort();
        connection.client().name
    });
    assert_eq!(family, "reqwest_hyper");
}
