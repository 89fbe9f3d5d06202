//! The module as Envoy is told of it: one extension configuration a role, each in a file of its own.
//!
//! They come by ECDS from files, because that is how a mesh delivers them and the only way to change a
//! policy under living connections without touching the listener.

use std::path::Path;

use evenkeel_metrics::Label;
use serde_json::{Value, json};

/// Which roles of the module a listener carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// The network filter alone, before the HTTP connection manager or `tcp_proxy`.
    Network,
    /// The HTTP filter alone, before the router.
    Http,
    /// Both, in one VM per worker.
    Both,
}

/// The module on one listener: its places, and the VM that it runs in there.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub(crate) roles: Roles,
    pub(crate) vm_id: String,
}

/// One of the module's two places in a filter chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Network,
    Http,
}

impl Roles {
    pub(crate) fn list(self) -> &'static [Role] {
        match self {
            Roles::Network => &[Role::Network],
            Roles::Http => &[Role::Http],
            Roles::Both => &[Role::Network, Role::Http],
        }
    }

    pub(crate) fn has(self, role: Role) -> bool {
        self.list().contains(&role)
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Network => "network",
            Role::Http => "http",
        }
    }

    /// The name of the extension configuration, and so of its file and of its stats.
    pub(crate) fn resource(self, listener: &str) -> String {
        format!("evenkeel-{}-{listener}", self.name())
    }

    /// The counter that Envoy raises when it has taken a new configuration.
    pub(crate) fn reload_stat(self, listener: &str) -> String {
        let resource = self.resource(listener);
        match self {
            Role::Network => {
                format!("extension_config_discovery.network_filter.{resource}.config_reload")
            }
            Role::Http => {
                format!("extension_config_discovery.http_filter.{resource}.config_reload")
            }
        }
    }

    fn type_url(self) -> String {
        let name = self.name();
        format!("type.googleapis.com/envoy.extensions.filters.{name}.wasm.v3.Wasm")
    }

    /// The filter's entry in the listener: where its configuration comes from.
    pub(crate) fn filter(self, listener: &str, file: &Path) -> Value {
        json!({
            "name": self.resource(listener),
            "config_discovery": {
                "config_source": { "path_config_source": { "path": file }, "resource_api_version": "V3" },
                "type_urls": [self.type_url()],
            },
        })
    }

    /// The content of that file: a discovery response with this one resource.
    pub(crate) fn discovery(
        self,
        listener: &str,
        vm_id: &str,
        module: &Path,
        policy: &str,
    ) -> Value {
        json!({
            "resources": [{
                "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
                "name": self.resource(listener),
                "typed_config": { "@type": self.type_url(), "config": {
                    "name": self.resource(listener),
                    "root_id": self.resource(listener),
                    // A failure of the module must show as what it does, not as requests that Envoy refused.
                    "failure_policy": "FAIL_OPEN",
                    // The same vm_id, code and VM configuration for both roles: one VM a worker.
                    "vm_config": {
                        "vm_id": vm_id,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": module } },
                    },
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": self.configuration(policy),
                    },
                } },
            }],
        })
    }

    /// The policy with the role in it. Text that is no JSON object is for a test of bad policies: the role
    /// goes in behind its first brace, and the fault stays as it was.
    fn configuration(self, policy: &str) -> String {
        match serde_json::from_str(policy) {
            Ok(Value::Object(mut policy)) => {
                policy.insert("role".to_owned(), self.name().into());
                Value::Object(policy).to_string()
            }
            _ => policy.replacen('{', &format!("{{\"role\":\"{}\",", self.name()), 1),
        }
    }
}

/// How Envoy turns the labels inside a metric's name into tags: its `stats_tags`.
pub fn stats_tags() -> Value {
    let tag = |label: Label| json!({ "tag_name": label.tag(), "regex": label.regex() });
    Label::ALL.map(tag).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_told_its_role() {
        let configuration = Role::Http.configuration(r#"{"version":1}"#);

        let configuration: Value = serde_json::from_str(&configuration).unwrap();
        assert_eq!(configuration, json!({ "version": 1, "role": "http" }));
    }

    #[test]
    fn a_truncated_policy_stays_truncated() {
        let configuration = Role::Network.configuration(r#"{"version":1,"#);

        assert_eq!(configuration, r#"{"role":"network","version":1,"#);
        assert_eq!(Role::Network.configuration(""), "");
    }
}
