//! Decides which connections are drained, when and with which signal, without IO, clock or host.
//!
//! [`Engine`] holds every downstream connection of one worker. Report events to it ([`Engine::open`], [`Engine::read`],
//! [`Engine::wrote`], [`Engine::closed`]) and the time ([`Engine::advance`], [`Engine::tick`]). It gives a [`Decision`] for
//! each write, and with [`Engine::poll`] what else is to be done. Workers share only the token buckets of their budgets,
//! through [`BucketStore`], and the loads on the [`board`].

pub mod balance;
pub mod board;
mod budget;
mod budget_split;
mod chunks;
mod clock;
mod connection;
mod connections;
mod engine;
mod event;
pub mod hosts;
mod id_table;
mod last_stream_id;
pub mod leader;
mod limits;
mod load;
mod ordered_ids;
pub mod peers;
mod per_mode;
mod rebalance;
pub mod record;
mod safe_point;
mod slab;
mod sort;
mod sorted_map;
#[cfg(test)]
mod stories;
mod timers;
mod totals;
pub mod upstream;

pub use budget::{Bucket, BucketId, BucketStore};
pub use clock::Instant;
pub use connection::Connection;
pub use connection::session::stated_protocol;
pub use connection::timed_streams::StreamId;
pub use engine::{Engine, LoadSample, SelectionRequest, SelectionScope};
pub use event::{Activity, ConnectionEnd, Decision, DeferReason, Effect, Origin, TcpTraffic};
pub use id_table::IdTable;
pub use last_stream_id::is_exact_goaway;
pub use limits::mix;
pub use load::Load;
pub use ordered_ids::OrderedIds;
pub use per_mode::PerMode;
pub use rebalance::{LoadComparison, Rebalancer};
pub use sorted_map::SortedMap;

pub use evenkeel_wire::tcp::TcpProtocol;
pub use evenkeel_wire::{DrainPoint, Http2Client};

/// Envoy's `connection.id`: unique in the process, and the same in both roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Why a connection is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrainReason {
    /// The connection is as old as its rule allows.
    MaxConnectionAge,
    /// Its memoryless lifetime (`mean_connection_age`) is over.
    MeanConnectionAge,
    /// The connection has carried as many requests as its rule allows.
    MaxRequestsPerConnection,
    /// A gRPC stream on the connection is as old as its rule allows.
    MaxStreamAge,
    /// The pod, or the upstream host, has more than its fair share of the load.
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

    /// The name of the limit in a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxConnectionAge => "max_connection_age",
            Self::MeanConnectionAge => "mean_connection_age",
            Self::MaxRequestsPerConnection => "max_requests_per_connection",
            Self::MaxStreamAge => "max_stream_age",
            Self::Rebalance => "rebalance",
        }
    }

    /// The index in a table with one row for each reason.
    pub const fn index(self) -> usize {
        self as usize
    }
}
