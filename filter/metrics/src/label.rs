//! Labels and their values.

use evenkeel_engine::peers::RejectedMessage;
use evenkeel_engine::{DeferReason, DrainReason};
use evenkeel_policy::Mode;
use evenkeel_wire::tcp::PinReason;
use evenkeel_wire::{BypassReason, Protocol, h2};

/// A label of a metric. Its tag is specific enough not to collide with the tags of other plugins: Istio's
/// `extraStatTags` apply to the whole mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The protocol of a connection.
    ConnectionProtocol,
    /// Why a connection is drained.
    DrainReason,
    /// Who closed a connection.
    ClosedBy,
    /// Why a drain is deferred.
    DeferReason,
    /// Which state of the server's keeps a connection from being drained.
    PinReason,
    /// Why a connection is bypassed.
    BypassReason,
    /// An upstream host.
    UpstreamHost,
    /// An HTTP/2 client, recognized by its first frames.
    Http2Client,
    /// Which last-stream-id a GOAWAY had.
    LastStreamId,
    /// Whether requests were active on a connection.
    ConnectionState,
    /// The result of a gossip exchange.
    ExchangeResult,
    /// The result of a policy update.
    UpdateResult,
    /// The mode of a policy.
    PolicyMode,
    /// The version of the module.
    EvenkeelVersion,
}

/// The values of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// These words.
    Fixed(Vec<&'static str>),
    /// Values that depend on traffic; the text describes them.
    Met(&'static str),
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 14] = [
        Self::ConnectionProtocol,
        Self::DrainReason,
        Self::ClosedBy,
        Self::DeferReason,
        Self::PinReason,
        Self::BypassReason,
        Self::UpstreamHost,
        Self::Http2Client,
        Self::LastStreamId,
        Self::ConnectionState,
        Self::ExchangeResult,
        Self::UpdateResult,
        Self::PolicyMode,
        Self::EvenkeelVersion,
    ];

    /// Its name in Prometheus.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::ConnectionProtocol => "connection_protocol",
            Self::DrainReason => "drain_reason",
            Self::ClosedBy => "closed_by",
            Self::DeferReason => "defer_reason",
            Self::PinReason => "pin_reason",
            Self::BypassReason => "bypass_reason",
            Self::UpstreamHost => "upstream_host",
            Self::Http2Client => "http2_client",
            Self::LastStreamId => "last_stream_id",
            Self::ConnectionState => "connection_state",
            Self::ExchangeResult => "exchange_result",
            Self::UpdateResult => "update_result",
            Self::PolicyMode => "policy_mode",
            Self::EvenkeelVersion => "evenkeel_version",
        }
    }

    /// The regular expression with which Envoy (`stats_tags`) finds it in a stat's name, but not as the end of a
    /// longer label.
    pub fn regex(self) -> String {
        format!(r"(\b{}=\.=(.*?);\.;)", self.tag())
    }

    /// The values that it can have.
    pub fn values(self) -> Values {
        Values::Fixed(match self {
            Self::ConnectionProtocol => Protocol::ALL.map(Protocol::name).to_vec(),
            Self::DrainReason => DrainReason::ALL.map(DrainReason::name).to_vec(),
            Self::ClosedBy => vec!["client", "proxy", "evenkeel"],
            Self::DeferReason => DeferReason::all().map(DeferReason::name).collect(),
            Self::PinReason => PinReason::ALL.map(PinReason::name).to_vec(),
            Self::BypassReason => BypassReason::ALL.map(BypassReason::name).to_vec(),
            Self::UpstreamHost => {
                return Values::Met("the host's address; beyond 256 live ones `other`");
            }
            Self::Http2Client => {
                let known = h2::KNOWN_CLIENTS.iter().map(|client| client.name);
                let others = [h2::AMBIGUOUS, h2::UNKNOWN.name];
                let mut clients: Vec<_> = known.chain(others).collect();
                clients.sort_unstable();
                clients.dedup();
                clients
            }
            Self::LastStreamId => vec!["exact", "max"],
            Self::ConnectionState => vec!["idle", "active"],
            Self::ExchangeResult => Exchange::ALL.map(Exchange::name).to_vec(),
            Self::UpdateResult => vec!["accepted", "rejected"],
            Self::PolicyMode => vec![mode_name(Mode::Enforce), mode_name(Mode::DryRun)],
            Self::EvenkeelVersion => vec![VERSION],
        })
    }

    /// Whether all its values are known in advance and few, so that a series is published with 0 from the start.
    pub const fn is_shown_at_once(self) -> bool {
        !matches!(self, Self::UpstreamHost | Self::Http2Client)
    }
}

/// The version of the module.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The label value of a policy's mode.
pub const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::DryRun => "dry_run",
    }
}

/// The label values of a GOAWAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GoawayLabels {
    /// The client.
    pub client: &'static str,
    /// The last-stream-id is the highest accepted.
    pub is_exact: bool,
    /// No request was active.
    pub is_idle: bool,
}

/// The result of a gossip exchange, or of one side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exchange {
    /// A peer responded.
    Responded,
    /// No peer responded.
    Failed,
    /// A peer sent a request.
    Requested,
    /// The requester has another identity; the request was passed to the application.
    RejectedIdentity,
    /// The body is not a gossip message.
    Malformed,
    /// It is longer than any message.
    TooLong,
    /// It is of another version.
    Version,
}

impl Exchange {
    /// Every result.
    pub const ALL: [Self; 7] = [
        Self::Responded,
        Self::Failed,
        Self::Requested,
        Self::RejectedIdentity,
        Self::Malformed,
        Self::TooLong,
        Self::Version,
    ];

    /// The result for a message that was rejected.
    pub const fn of(rejected: &RejectedMessage) -> Self {
        match rejected {
            RejectedMessage::TooLong => Self::TooLong,
            RejectedMessage::Malformed => Self::Malformed,
            RejectedMessage::Version(_) => Self::Version,
        }
    }

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Responded => "responded",
            Self::Failed => "failed",
            Self::Requested => "requested",
            Self::RejectedIdentity => "rejected_identity",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Version => "version",
        }
    }
}
