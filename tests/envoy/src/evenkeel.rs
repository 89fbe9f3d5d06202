//! The module's extension configurations, one a role.
//!
//! Envoy reads them from files by ECDS, as in a mesh: only so does a policy change without a change of the listener.

use std::path::{Path, PathBuf};

use evenkeel_metrics::Label;
use serde_json::{Value, json};

/// The roles of the module on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// The network filter alone, before the HTTP connection manager or `tcp_proxy`.
    Network,
    /// The HTTP filter alone, before the router.
    Http,
    /// Both filters, in one VM per worker.
    Both,
}

/// The module on one listener.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub(crate) roles: Roles,
    pub(crate) vm_id: String,
    /// Another module than that of the bootstrap.
    pub(crate) module: Option<PathBuf>,
}

/// A role of the module.
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

    /// Returns the name of the extension configuration, of its file and of its stats.
    pub(crate) fn resource(self, listener: &str) -> String {
        format!("evenkeel-{}-{listener}", self.name())
    }

    /// Returns the counter that Envoy increments when it accepts a new configuration.
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

    /// Returns the filter's entry in the listener, which refers to the file.
    pub(crate) fn filter(self, listener: &str, file: &Path) -> Value {
        json!({
            "name": self.resource(listener),
            "config_discovery": {
                "config_source": { "path_config_source": { "path": file }, "resource_api_version": "V3" },
                "type_urls": [self.type_url()],
            },
        })
    }

    /// Returns the content of that file, a discovery response.
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
                    // With FAIL_CLOSED, Envoy's rejected requests would hide what the module does.
                    "failure_policy": "FAIL_OPEN",
                    // Roles with the same vm_id, code and VM configuration share a VM.
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

    /// Inserts the role into the policy; into invalid JSON behind its first brace, so that it stays invalid.
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

/// Returns the `stats_tags` by which Envoy extracts the labels from the names of metrics.
pub fn stats_tags() -> Value {
    let tag = |label: Label| json!({ "tag_name": label.tag(), "regex": label.regex() });
    Label::ALL.map(tag).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_contains_its_role() {
        let configuration = Role::Http.configuration(r#"{"version":1}"#);

        let configuration: Value = serde_json::from_str(&configuration).unwrap();
        assert_eq!(configuration, json!({ "version": 1, "role": "http" }));
    }

    #[test]
    fn truncated_policy_stays_truncated() {
        let configuration = Role::Network.configuration(r#"{"version":1,"#);

        assert_eq!(configuration, r#"{"role":"network","version":1,"#);
        assert_eq!(Role::Network.configuration(""), "");
    }
}
