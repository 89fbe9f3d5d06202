//! Wasm filters anywhere in an Envoy configuration: a bootstrap, a listener, an xDS resource, a part of one, or the output of
//! `/config_dump`.

use super::Search;
use super::filter::{Config, Filter, role};
use crate::diagnose::source::Object;
use crate::diagnose::tree::Node;

/// Top-level keys of a bootstrap, a file for file-based xDS, a listener and a dump.
const TOP: [&str; 10] = [
    "static_resources",
    "staticResources",
    "dynamic_resources",
    "dynamicResources",
    "resources",
    "configs",
    "filter_chains",
    "filterChains",
    "listeners",
    "@type",
];

/// The document has a top-level key of an Envoy configuration.
pub fn is_config(node: &Node) -> bool {
    node.member(&TOP).is_some()
}

/// The document contains a wasm filter.
pub fn has_filter(node: &Node) -> bool {
    wasm_type(node).is_some()
        || node
            .members()
            .iter()
            .any(|member| has_filter(&member.value))
        || node.items().iter().any(|item| has_filter(item))
}

/// Searches a configuration. Filters in one listener belong together, others by `proxy`.
pub fn config(search: &mut Search<'_>, node: &Node, proxy: &str) {
    let place = Place {
        names: Vec::new(),
        filter: None,
        proxy: proxy.to_owned(),
    };
    walk(search, node, &place);
}

/// Searches a patch of an EnvoyFilter.
pub fn patch(search: &mut Search<'_>, node: &Node, name: &str, proxy: &str) {
    let place = Place {
        names: vec![name.to_owned()],
        filter: None,
        proxy: proxy.to_owned(),
    };
    walk(search, node, &place);
}

/// The position of a filter in a configuration.
#[derive(Clone)]
struct Place {
    /// The names of the object and the listener.
    names: Vec<String>,
    /// The name of the innermost filter.
    filter: Option<String>,
    proxy: String,
}

impl Place {
    /// The position inside a node, which may be a listener or a filter.
    fn inside(&self, node: &Node) -> Self {
        let mut place = self.clone();
        let has = |keys: &[&str]| node.member(keys).is_some();
        match node.string("name") {
            Some(name) if has(&["filter_chains", "filterChains"]) => {
                place.names.push(format!("listener {name}"));
                place.proxy += &format!(" listener {name}");
            }
            Some(name) if has(&["typed_config", "typedConfig"]) => {
                place.filter = Some(name.to_owned());
            }
            _ => {}
        }
        place
    }

    fn name(&self) -> String {
        let filter = self.filter.iter().map(|name| format!("filter {name}"));
        let names: Vec<_> = self.names.iter().cloned().chain(filter).collect();
        match names.is_empty() {
            true => "wasm filter".to_owned(),
            false => names.join(", "),
        }
    }
}

fn walk(search: &mut Search<'_>, node: &Node, place: &Place) {
    if let Some(is_network) = wasm_type(node) {
        search.filter(&filter(node, place, is_network));
        return;
    }
    let place = place.inside(node);
    for member in node.members() {
        walk(search, &member.value, &place);
    }
    for item in node.items() {
        walk(search, item, &place);
    }
}

/// Some if the message configures a wasm filter: Some(true) for a network filter, Some(false) for an HTTP filter. An
/// EnvoyFilter may use a TypedStruct.
fn wasm_type(node: &Node) -> Option<bool> {
    let name = node.string("@type")?;
    let name = match name.ends_with(".TypedStruct") {
        true => node.string("type_url").or(node.string("typeUrl"))?,
        false => name,
    };
    let name = name.rsplit('/').next()?.strip_suffix(".Wasm")?;
    if name.contains("filters.network.wasm.") {
        return Some(true);
    }
    name.contains("filters.http.wasm.").then_some(false)
}

fn filter<'a>(node: &'a Node, place: &Place, is_network: bool) -> Filter<'a> {
    let message = match node.get("config") {
        Some(config) => Some(config),
        None => node.get("value").and_then(|value| value.get("config")),
    };
    let at = node
        .member(&["@type"])
        .map_or(&node.span, |member| &member.value.span);
    let mut names: Vec<String> = place.filter.iter().cloned().collect();
    if let Some(config) = message {
        collect_names(config, &mut names);
    }
    Filter {
        object: Object {
            name: place.name(),
            key: at.clone(),
            role: role(is_network),
            proxy: place.proxy.clone(),
        },
        names,
        config: Config::Any(message.and_then(|config| config.member(&["configuration"]))),
    }
}

/// Collects the names of the plugin, its root, its VM and its module.
fn collect_names(node: &Node, names: &mut Vec<String>) {
    const NAMES: [&str; 7] = [
        "name", "root_id", "rootId", "vm_id", "vmId", "filename", "uri",
    ];
    for member in node.members() {
        match member.value.as_str() {
            Some(text) if NAMES.contains(&member.key.as_str()) => names.push(text.to_owned()),
            Some(_) => {}
            None if member.key == "configuration" => {}
            None => collect_names(&member.value, names),
        }
    }
}
