//! By which protocol the connections of a TCP rule are followed, as far as the policy shows it.

use evenkeel_engine::{TcpProtocol, stated_protocol};
use evenkeel_policy::{ProtocolSetting, Rule};

/// How the safe points of a TCP rule's connections are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// By silence after data from the server.
    Raw,
    /// By this protocol.
    Protocol(TcpProtocol),
    /// By the protocol that the first bytes of each connection show, if any.
    FirstBytes,
}

impl Followed {
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

    /// Says how the protocol of a connection to `port` is known.
    pub fn describe(self, port: u16, rule: &Rule) -> String {
        match self {
            Self::Raw => {
                "Connections are followed by no protocol: the rule is for raw TCP.".to_owned()
            }
            Self::Protocol(protocol) if rule.tcp.protocol == ProtocolSetting::Auto => format!(
                "Connections are followed as {}, whose well-known port {port} is. HTTP is drained as HTTP, and other \
                 bytes (such as TLS) are not drained.",
                protocol.name()
            ),
            Self::Protocol(protocol) => format!(
                "Connections are followed as {}. Other bytes (such as TLS) are not drained.",
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
