//! The protocol that is parsed on the connections of a TCP rule, as far as the policy shows it.

use evenkeel_engine::{TcpProtocol, stated_protocol};
use evenkeel_policy::{ProtocolSetting, Rule};

/// The protocol that a TCP rule parses to find safe points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleProtocol {
    /// None: safe points are pauses after data from the server.
    Raw,
    /// This protocol.
    Protocol(TcpProtocol),
    /// The one that the first bytes of each connection show, if any.
    FirstBytes,
}

impl RuleProtocol {
    pub fn of(port: u16, rule: &Rule) -> Self {
        let setting = rule.tcp.protocol;
        match (stated_protocol(setting), setting) {
            (Some(protocol), _) => Self::Protocol(protocol),
            (None, ProtocolSetting::Auto) => {
                TcpProtocol::of_port(port).map_or(Self::FirstBytes, Self::Protocol)
            }
            (None, _) => Self::Raw,
        }
    }

    /// The protocol's name, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Protocol(protocol) => protocol.name(),
            Self::FirstBytes => "first-bytes",
        }
    }

    /// Describes in a sentence how the protocol of a connection to `port` is known.
    pub fn describe(self, port: u16, rule: &Rule) -> String {
        match self {
            Self::Raw => "No protocol is parsed: the rule is for raw TCP.".to_owned(),
            Self::Protocol(protocol) if rule.tcp.protocol == ProtocolSetting::Auto => format!(
                "Connections are parsed as {}, because of the well-known port {port}. HTTP is drained as HTTP, and other \
                 bytes (such as TLS) are not drained.",
                protocol.name()
            ),
            Self::Protocol(protocol) => format!(
                "Connections are parsed as {}. Other bytes (such as TLS) are not drained.",
                protocol.name()
            ),
            Self::FirstBytes => {
                let names = TcpProtocol::ALL.map(TcpProtocol::name).join(", ");
                format!(
                    "The first bytes of a connection show its protocol: {names} or HTTP; others are raw TCP."
                )
            }
        }
    }
}
