//! When a connection is moved.
//!
//! [`Engine`] holds the life of every downstream connection of one worker. Tell it what happens
//! ([`Engine::open`], [`Engine::read`], [`Engine::wrote`], [`Engine::closed`]) and what time it is
//! ([`Engine::advance`]); it answers a write with whether to announce the connection's end in it, and
//! [`Engine::poll`] gives what else there is to do or to tell. It knows no clock, no IO and no host; the
//! only thing shared with other workers, the state of the churn budgets, is reached through [`BucketStore`].

pub mod balance;
pub mod board;
mod budget;
mod budget_split;
mod clock;
mod connection;
mod connections;
mod engine;
mod event;
pub mod hosts;
mod last_stream_id;
pub mod leader;
mod limits;
mod load;
pub mod peers;
mod per_mode;
mod rebalance;
mod safe_point;
mod slab;
#[cfg(test)]
mod stories;
mod timers;
mod totals;
pub mod upstream;

pub use budget::{Bucket, BucketId, BucketStore};
pub use clock::Instant;
pub use connection::timed_streams::StreamId;
pub use engine::{Engine, LoadSample, SelectionRequest, SelectionScope};
pub use event::{Activity, ConnectionEnd, Decision, Effect, Origin};
pub use last_stream_id::is_exact_goaway;
pub use limits::mix;
pub use load::Load;
pub use per_mode::PerMode;
pub use rebalance::{LoadComparison, Rebalancer};

pub use evenkeel_wire::{DrainPoint, Http2Client};

/// Envoy's `connection.id`: unique in the process, the same in both roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Why a connection is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrainReason {
    /// It is as old as its rule allows.
    MaxConnectionAge,
    /// Its memoryless lifetime (`mean_connection_age`) is over.
    MeanConnectionAge,
    /// It has carried as many requests as its rule allows.
    MaxRequestsPerConnection,
    /// A gRPC stream on it is as old as its rule allows.
    MaxStreamAge,
    /// Its host carries more than its share.
    Rebalance,
}

impl DrainReason {
    /// Every reason, in the order of [`DrainReason::index`].
    pub const ALL: [Self; 5] = [
        Self::MaxConnectionAge,
        Self::MeanConnectionAge,
        Self::MaxRequestsPerConnection,
        Self::MaxStreamAge,
        Self::Rebalance,
    ];

    /// The policy's name of the limit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxConnectionAge => "max_connection_age",
            Self::MeanConnectionAge => "mean_connection_age",
            Self::MaxRequestsPerConnection => "max_requests_per_connection",
            Self::MaxStreamAge => "max_stream_age",
            Self::Rebalance => "rebalance",
        }
    }

    /// Its place in a table with a row a reason.
    pub const fn index(self) -> usize {
        self as usize
    }
}
