//! What a proxy knows of the other pods of its service, by gossip.
//!
//! Each pod asks a random other one a few times per `every` and tells it what it knows: its own numbers
//! first, then those of some others; the answer is the other one's message. So news reach all pods in a few
//! rounds, and a pod keeps and sends no more than a bounded number of reports, however many pods there are.
//!
//! No two pods' clocks are compared. A report travels with its age, to which each pod adds the time for
//! which it held it, and which of two reports about a pod is the later one that pod's own uptime tells.
//! (Ages cannot: each leaves out its time on the network, so that the report about a pod that is gone would
//! grow younger from hop to hop, and outlive it.)
//!
//! What others tell is not trusted. [`Estimate::fair`] bounds what false loads do. A false uptime does not
//! keep out what the pod itself sends: its own report replaces what others said of it, and what others say
//! afterwards has to fit the start of the pod that it implies. Reports carry no proof of origin, so a liar
//! among the peers can still tell false loads of others, which last until the next report of the pod itself.

mod chance;
mod estimate;
mod identity;
mod message;
mod report;
mod schedule;
#[cfg(test)]
mod tests;
mod view;

use core::time::Duration;

pub use estimate::{Estimate, Rules};
pub use identity::ProxyIdentity;
pub use message::{Message, RejectedMessage};
pub use schedule::ExchangeSchedule;
pub use view::{ReceivedReports, View};

use crate::Load;

/// The most peers that a view keeps. If there are more it is a random sample of them.
pub const MAX_PEERS: usize = 256;

/// How many others a pod asks per `every`. With this and [`MAX_REPORTS`], after a scale-out every pod of 200
/// knows the mean to a tenth within three times `every`; with 3, or with 32 told, some do not.
pub const FANOUT: u32 = 4;

/// The most peers that one message tells of, besides its sender.
pub const MAX_REPORTS: usize = 64;

/// The longest message, in bytes.
pub const MAX_LEN: usize = 8192;

/// Names a pod's proxy: a random number, drawn when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// What a pod tells of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnReport {
    /// The same for all workers of the proxy.
    pub id: PeerId,
    /// What the whole proxy carries.
    pub load: Load,
    /// What it should carry, relative to the others.
    pub weight: f64,
    /// Since the proxy began, the same for all its workers: of two reports the one with more of it is later.
    pub uptime: Duration,
    /// How long ago another pod last asked it; None: never. A pod that is asked is one that new
    /// connections are sent to, for both choose among the service's endpoints.
    pub asked: Option<Duration>,
}
