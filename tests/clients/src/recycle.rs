//! When a connection expires: the same for every proxy, so that losses can be compared.

use clap::ValueEnum;
use serde::Serialize;

/// The limit that drains a connection: far lower than in production, so that a loss in thousands of drains shows
/// within seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Recycle {
    /// After its second request.
    Requests,
    /// At an age between 100 and 300 milliseconds.
    Age,
}

impl Recycle {
    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Age => "age",
        }
    }

    /// Returns the policy. WebSockets are drained in the silence that the pattern `messages` makes.
    pub(crate) fn policy(self) -> String {
        let limit = match self {
            Self::Requests => r#""max_requests_per_connection": 2, "jitter": 0"#,
            Self::Age => r#""max_connection_age": "300ms", "jitter": 0.667"#,
        };
        format!(
            r#"{{
                "version": 1,
                "budget": "off",
                "defaults": {{ {limit}, "http2": {{"idle_wait": "100ms"}} }},
                "routes": [{{
                    "name": "sockets",
                    "match": {{ "path_prefix": "/ws/" }},
                    "max_connection_age": "300ms", "websocket": {{"close_code": "service_restart", "idle_time": "100ms"}}
                }}]
            }}"#
        )
    }
}
