//! `evenkeel render istio`: the plugins, and the policy's `keepalive` in what the mesh has for it.

mod options;
mod version;

use std::time::Duration;

use anyhow::Result;
use evenkeel_policy::{Http2Ping, Mode, Policy, Role, TcpKeepalive};
use serde::Serialize;
use serde_json::json;

pub use options::Args;
use options::{Kind, Roles, Selection};

use super::policy::Source;
use super::{output, template, usage};

/// The file that holds the resources.
const MAIN: &str = "evenkeel.yaml";

pub fn run(args: &Args) -> Result<()> {
    args.check()?;
    let source = Source::read(&args.file)?;
    let text = text(args, &source)?;
    let kustomization = template::render("istio/kustomization", &json!({ "file": MAIN }))?;
    let files = [(MAIN, text), ("kustomization.yaml", kustomization)];
    output::write(args.output.as_deref(), MAIN, &files)
}

/// All resources, as YAML.
fn text(args: &Args, source: &Source) -> Result<String> {
    let module = args.module.resolve()?;
    let policy = &source.policy;
    let selection = args.selection();
    let roles = roles(args.roles, policy);
    let plugins: Vec<_> = roles
        .iter()
        .map(|role| plugin(*role, source, args.kind))
        .collect();
    let (contexts, client_contexts) = contexts(selection);
    // To observe is to change nothing: what Istio and Envoy would do by themselves stays out as well.
    let enforced = policy.mode == Mode::Enforce;
    let keepalive = &policy.keepalive;
    let upstream = policy.upstream.as_ref();
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
            "is_workload": matches!(selection, Selection::Workload(_)),
            "is_namespace": matches!(selection, Selection::Namespace),
            // A sidecar's outbound listeners see only what the policy says of them.
            "inbound_only": matches!(selection, Selection::Workload(_))
                && upstream.is_none() && !policy.names_outbound(),
            "contexts": contexts,
            "client_contexts": client_contexts,
            "enforced": enforced,
            "ping": keepalive.http2_ping.filter(|_| enforced).map(Ping::from),
            "tcp": keepalive.tcp.filter(|_| enforced).map(Tcp::from),
            "http1_hint": keepalive.http1_hint,
            "has_listener_keepalive": args.istio.has_listener_keepalive(),
            "has_http2_keepalive": args.istio.has_http2_keepalive(),
            "hosts": args.host.iter().map(|host| Host::new(host)).collect::<Vec<_>>(),
            "http2_ports": args.http2_port,
            "max_requests": upstream.filter(|_| enforced).and_then(|upstream| upstream.max_requests),
            "http3": http3(args, policy)?,
            "peers": policy.peers.as_ref().map(|peers| &peers.cluster),
        }),
    )
}

/// The filters that the policy needs: the HTTP filter costs every request something (Envoy makes a context
/// for each), so it is left out where it would find nothing to do.
fn roles(asked: Roles, policy: &Policy) -> Vec<Role> {
    let needs_http = !policy.routes.is_empty()
        || policy.defaults.max_stream_age.is_some()
        || policy.upstream.is_some()
        || policy.shed.is_some()
        || policy.peers.is_some();
    match asked {
        Roles::Auto if needs_http => vec![Role::Network, Role::Http],
        Roles::Both => vec![Role::Network, Role::Http],
        Roles::Auto | Roles::Network => vec![Role::Network],
        Roles::Http => vec![Role::Http],
    }
}

#[derive(Serialize)]
struct Plugin {
    role: &'static str,
    policy: String,
}

fn plugin(role: Role, source: &Source, kind: Kind) -> Plugin {
    let indent = match kind {
        Kind::WasmPlugin => 4,
        Kind::TrafficExtension => 6,
    };
    Plugin {
        role: role.name(),
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

/// By which labels a DestinationRule, which knows no gateways, finds the selected proxies. Istio gives
/// the pods of a Gateway API gateway its name.
fn client_labels(selection: Selection<'_>) -> Option<Vec<(String, String)>> {
    match selection {
        Selection::GatewayRef(name) => {
            let label = "gateway.networking.k8s.io/gateway-name".to_owned();
            Some(vec![(label, name.to_owned())])
        }
        _ => labels(selection).map(<[_]>::to_vec),
    }
}

/// Where an EnvoyFilter finds the listeners of the selected proxies that receive from other hosts, and
/// the clusters that they call.
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
    /// As a part of a resource's name.
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

#[derive(Serialize)]
struct Ping {
    interval: String,
    timeout: String,
}

impl From<Http2Ping> for Ping {
    fn from(ping: Http2Ping) -> Self {
        Self {
            interval: seconds(ping.interval),
            timeout: seconds(ping.timeout),
        }
    }
}

#[derive(Serialize)]
struct Tcp {
    idle: u64,
    interval: u64,
    probes: u32,
}

impl From<TcpKeepalive> for Tcp {
    fn from(tcp: TcpKeepalive) -> Self {
        Self {
            idle: tcp.idle.as_secs(),
            interval: tcp.interval.as_secs(),
            probes: tcp.probes,
        }
    }
}

#[derive(Serialize)]
struct Http3 {
    ports: Vec<u16>,
    max_age: Option<String>,
    max_requests: Option<u64>,
}

fn http3(args: &Args, policy: &Policy) -> Result<Option<Http3>> {
    if args.http3.is_empty() || policy.mode == Mode::Observe {
        return Ok(None);
    }
    let defaults = &policy.defaults;
    if defaults.max_age.is_none() && defaults.max_requests.is_none() {
        return Err(usage(
            "--http3: the policy's `defaults` have neither `max_age` nor `max_requests`, and nothing else of \
             a policy can hold for HTTP/3"
                .to_owned(),
        ));
    }
    Ok(Some(Http3 {
        ports: args.http3.clone(),
        max_age: defaults.max_age.map(seconds),
        max_requests: defaults
            .max_requests
            .map(|most| most.get().min(u32::MAX.into())),
    }))
}

/// A duration as Protobuf's JSON writes it. A policy's are of whole milliseconds.
fn seconds(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        millis => format!("{}.{millis:03}s", duration.as_secs()),
    }
}
