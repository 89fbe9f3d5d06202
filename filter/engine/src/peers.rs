//! The load reports of the other pods of a service, exchanged by gossip.
//!
//! A few times per interval each pod sends a message to a random other pod: its own report first, then those of some
//! others. The response is the other pod's message. So a report reaches all pods in a few rounds, and a pod keeps and
//! sends a bounded number of reports, however many pods there are.
//!
//! The clocks of two pods are never compared. A report travels with its age, to which each pod adds the time for which
//! it held the report. Which of two reports about a pod is later is decided by that pod's uptime. (Ages do not decide
//! it: each leaves out the time on the network, so the report about a pod that is gone would grow younger from hop to
//! hop, and outlive the pod.)
//!
//! Reports are not trusted. [`Estimate::fair`] bounds the effect of false loads. A false uptime does not keep out the
//! pod's own reports: they replace the reports of others about it, and later reports of others must fit the start of
//! the pod that its own report implies. Reports have no proof of origin, so a pod that sends false reports can still
//! report false loads of others, which last until the next report of the pod itself.

mod estimate;
mod identity;
mod message;
mod random;
mod report;
mod schedule;
#[cfg(test)]
mod tests;
mod view;

use core::time::Duration;

pub use estimate::{Estimate, PeerLoads, Rules};
pub use identity::ProxyIdentity;
pub use message::{Message, RejectedMessage};
pub use schedule::ExchangeSchedule;
pub use view::{ReceivedReports, View};

use crate::Load;

/// The most peers in a view. If there are more, the view is a random sample of them.
pub const MAX_PEERS: usize = 256;

/// How many requests a pod sends per interval. With this and [`MAX_REPORTS`], after a scale-out every pod of 200
/// knows the mean to a tenth within three intervals; with 3, or with 32 reports per message, some do not.
pub const FANOUT: u32 = 4;

/// The most reports in one message, besides that of its sender.
pub const MAX_REPORTS: usize = 64;

/// The most bytes in a message.
pub const MAX_LEN: usize = 8192;

/// Identifies a pod's proxy: a random number, drawn when the proxy starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// What a pod reports about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnReport {
    /// The same for all workers of the proxy.
    pub id: PeerId,
    /// The load of all its workers.
    pub load: Load,
    /// What it should carry, relative to the others.
    pub weight: f64,
    /// How long the proxy has been up, the same for all its workers: the higher of two is in the later report.
    pub uptime: Duration,
    /// How long ago another pod last sent it a request; None: never. New connections go to a pod that gets requests,
    /// because both are sent to the service's endpoints.
    pub since_peer_request: Option<Duration>,
}
