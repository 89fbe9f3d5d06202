//! `evenkeel render istio`: the plugins, and the policy's `keepalive` as Istio's own resources.

mod options;
mod version;

use anyhow::Result;
use evenkeel_policy::{Mode, Policy, Role};
use serde::Serialize;
use serde_json::json;

pub use options::Args;
use options::{Kind, Roles, Selection};

use super::native::{self, HttpFilterUse, Native};
use super::policy::SourcePolicy;
use super::template;
use crate::cli::usage;

/// Renders all resources.
///
/// # Errors
/// When the policy is invalid, a file cannot be read, or the command line is contradictory.
pub fn text(args: &Args) -> Result<String> {
    args.check()?;
    let source = SourcePolicy::read(&args.file)?;
    let module = args.module.resolve()?;
    let policy = &source.policy;
    let selection = args.selection();
    let roles = roles(args.roles, policy);
    let on_demand = OnDemand::of(args, policy);
    let plugins: Vec<_> = roles
        .iter()
        .map(|role| plugin(*role, &source, args.kind, on_demand.as_ref()))
        .collect();
    let (contexts, client_contexts) = contexts(selection);
    let native = Native::of(policy);
    template::render(
        "istio",
        &json!({
            "istio": args.istio.to_string(),
            "envoy": args.istio.envoy(),
            "name": args.name,
            "namespace": args.namespace,
            "is_extension": args.kind == Kind::TrafficExtension,
            "plugins": plugins,
            "without_http": !roles.contains(&Role::Http),
            "without_network": !roles.contains(&Role::Network),
            "url": module.url.text,
            "is_image": module.url.is_image,
            "sha256": module.sha256,
            "labels": labels(selection),
            "client_labels": client_labels(selection),
            "gateway_ref": gateway_ref(selection),
            // A sidecar's outbound listeners see only the rules for that direction.
            "inbound_only": matches!(selection, Selection::Workload(_))
                && policy.upstream.is_none() && !policy.names_outbound(),
            "on_demand": on_demand,
            "contexts": contexts,
            "client_contexts": client_contexts,
            "enforced": policy.mode == Mode::Enforce,
            "http3": http3(args, policy, &native)?,
            "native": native,
            "http1_hint": policy.keepalive.http1_hint,
            "has_listener_keepalive": args.istio.has_listener_keepalive(),
            "has_http2_keepalive": args.istio.has_http2_keepalive(),
            "has_jitter": args.istio.has_connection_jitter(),
            "hosts": args.host.iter().map(|host| Host::new(host)).collect::<Vec<_>>(),
            "http2_ports": args.http2_port,
            "peers": policy.peers.as_ref().map(|peers| &peers.cluster),
        }),
    )
}

fn roles(option: Roles, policy: &Policy) -> &'static [Role] {
    match option {
        Roles::Auto => native::roles(policy),
        Roles::Both => &[Role::Network, Role::Http],
        Roles::Network => &[Role::Network],
        Roles::Http => &[Role::Http],
    }
}

/// How sidecars run the HTTP filter for the requests of peers only.
#[derive(Serialize)]
struct OnDemand {
    /// The last part of the plugin's name. It differs from that of an HTTP filter for all requests: if a later policy
    /// needs that one, and the patch is not deleted, it must not disable it.
    plugin: &'static str,
    /// The name of the HTTP filter in Envoy's configuration.
    filter: String,
}

impl OnDemand {
    /// Returns None where the policy needs the filter for all requests, where all proxies are gateways, which may have
    /// thousands of routes to patch, or without a namespace, which the name of the filter contains.
    fn of(args: &Args, policy: &Policy) -> Option<Self> {
        let is_peers_only =
            args.roles == Roles::Auto && HttpFilterUse::of(policy) == HttpFilterUse::Peers;
        let has_sidecars = matches!(
            args.selection(),
            Selection::Workload(_) | Selection::Namespace
        );
        let namespace = args.namespace.as_deref()?;
        if !is_peers_only || !has_sidecars {
            return None;
        }
        let plugin = "peers";
        let name = format!("{namespace}.{}-{plugin}", args.name);
        Some(Self {
            plugin,
            filter: args.istio.filter_name(args.kind, &name),
        })
    }
}

#[derive(Serialize)]
struct Plugin {
    role: &'static str,
    /// The last part of its name.
    name: &'static str,
    policy: String,
}

fn plugin(role: Role, source: &SourcePolicy, kind: Kind, on_demand: Option<&OnDemand>) -> Plugin {
    let indent = match kind {
        Kind::WasmPlugin => 4,
        Kind::TrafficExtension => 6,
    };
    Plugin {
        role: role.name(),
        name: match on_demand {
            Some(on_demand) if role == Role::Http => on_demand.plugin,
            _ => role.name(),
        },
        policy: source.for_role(role).to_yaml(indent),
    }
}

type Labels<'a> = Option<&'a [(String, String)]>;

fn labels(selection: Selection<'_>) -> Labels<'_> {
    match selection {
        Selection::Workload(labels) | Selection::Gateway(labels) => Some(labels),
        Selection::Namespace | Selection::GatewayRef(_) => None,
    }
}

fn gateway_ref(selection: Selection<'_>) -> Option<&str> {
    match selection {
        Selection::GatewayRef(name) => Some(name),
        _ => None,
    }
}

/// Returns the labels by which a DestinationRule, which has no `targetRefs`, selects the proxies. Istio labels
/// the pods of a Gateway API gateway with its name.
fn client_labels(selection: Selection<'_>) -> Option<Vec<(String, String)>> {
    match selection {
        Selection::GatewayRef(name) => {
            let label = "gateway.networking.k8s.io/gateway-name".to_owned();
            Some(vec![(label, name.to_owned())])
        }
        _ => labels(selection).map(<[_]>::to_vec),
    }
}

/// Returns the EnvoyFilter contexts of the listeners that receive connections from other hosts, and of
/// the clusters that the proxies call.
fn contexts(selection: Selection<'_>) -> (&'static [&'static str], &'static [&'static str]) {
    match selection {
        Selection::Workload(_) => (&["SIDECAR_INBOUND"], &["SIDECAR_OUTBOUND"]),
        Selection::Gateway(_) | Selection::GatewayRef(_) => (&["GATEWAY"], &["GATEWAY"]),
        Selection::Namespace => (
            &["SIDECAR_INBOUND", "GATEWAY"],
            &["SIDECAR_OUTBOUND", "GATEWAY"],
        ),
    }
}

#[derive(Serialize)]
struct Host {
    host: String,
    /// The host as a part of a resource's name.
    name: String,
}

impl Host {
    fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            name: host.replace('*', "any"),
        }
    }
}

/// Returns the ports on which the gateway serves HTTP/3, if limits apply there.
fn http3(args: &Args, policy: &Policy, native: &Native) -> Result<Vec<u16>> {
    if !args.http3.is_empty() && policy.mode == Mode::Enforce && native.http3.is_none() {
        return Err(usage(
            "--http3: the policy's `defaults` have neither `max_connection_age` nor `max_requests_per_connection`, and nothing else of \
             a policy can hold for HTTP/3"
                .to_owned(),
        ));
    }
    Ok(args.http3.clone())
}
