//! Kubernetes objects that load a wasm module: those of Istio and Envoy Gateway.

use super::filter::{Config, Filter, role};
use super::{Search, envoy};
use crate::diagnose::source::Object;
use crate::diagnose::tree::{self, Member, Node, Origin, Quoting, Value};

/// Searches an object.
pub fn object(search: &mut Search<'_>, node: &Node) {
    let kind = node.string("kind").unwrap_or_default();
    let name = name(node, kind);
    if kind == "ConfigMap" {
        return config_map(search, node, name);
    }
    let Some(spec) = node.member(&["spec"]) else {
        // `kubectl get -o yaml` prints several objects as a List.
        match node.get("items").filter(|_| kind.ends_with("List")) {
            Some(items) => items.items().iter().for_each(|item| object(search, item)),
            None => search.others.push(name),
        }
        return;
    };
    match kind {
        "WasmPlugin" => search.filter(&plugin(node, &name, spec, spec)),
        "TrafficExtension" => match spec.value.member(&["wasm"]) {
            Some(wasm) => search.filter(&plugin(node, &name, wasm, spec)),
            None => search.others.push(name),
        },
        "EnvoyFilter" => {
            let before = (search.sources.len(), search.others.len());
            let patches = spec.value.get("configPatches");
            for patch in patches.iter().flat_map(|patches| patches.items()) {
                let context = patch
                    .get("match")
                    .and_then(|matched| matched.string("context"));
                let proxy = format!("{name} {}", context.unwrap_or("ANY"));
                envoy::patch(search, patch, &name, &proxy);
            }
            if before == (search.sources.len(), search.others.len()) {
                search.others.push(name);
            }
        }
        "EnvoyExtensionPolicy" => {
            let filters = spec.value.get("wasm");
            for wasm in filters.iter().flat_map(|filters| filters.items()) {
                let object = Object {
                    name: match wasm.string("name") {
                        Some(filter) => format!("{name}, wasm {filter}"),
                        None => name.clone(),
                    },
                    key: spec.span.clone(),
                    role: role(false),
                    proxy: name.clone(),
                };
                let mut names = strings(wasm, &["name", "rootID"]);
                names.extend(wasm.get("code").into_iter().flat_map(|code| urls(code)));
                let config = Config::Object(wasm.member(&["config"]));
                search.filter(&Filter {
                    object,
                    names,
                    config,
                });
            }
        }
        _ => search.others.push(name),
    }
}

/// Searches a ConfigMap, which may contain an Envoy configuration.
fn config_map(search: &mut Search<'_>, node: &Node, name: String) {
    let before = search.sources.len();
    for member in node.get("data").iter().flat_map(|data| data.members()) {
        let is_file = [".yaml", ".yml", ".json"]
            .iter()
            .any(|end| member.key.ends_with(end));
        // Inside double quotes the strings of the configuration would be escaped twice.
        let text = match &member.value.value {
            Value::String(text) if is_file && text.quoting != Quoting::Double => text,
            _ => continue,
        };
        let origin = Origin::of(
            &text.text,
            text.quoting,
            search.file.text(),
            &member.value.span,
        );
        let documents = tree::from_yaml(&text.text, &origin);
        for document in documents.iter().flatten() {
            envoy::config(search, document, &format!("{name} {}", member.key));
        }
    }
    if before == search.sources.len() {
        search.others.push(name);
    }
}

/// A WasmPlugin, or the `wasm` part of a TrafficExtension, which has the same fields.
fn plugin<'a>(object: &'a Node, name: &str, wasm: &'a Member, spec: &Member) -> Filter<'a> {
    let mut names = strings(&wasm.value, &["url", "pluginName"]);
    let metadata = object.get("metadata");
    let name_of_object = metadata.and_then(|metadata| metadata.string("name"));
    names.extend(name_of_object.map(str::to_owned));
    Filter {
        object: Object {
            name: name.to_owned(),
            key: wasm.span.clone(),
            role: role(wasm.value.string("type") == Some("NETWORK")),
            proxy: proxy(object, &spec.value),
        },
        names,
        config: Config::Object(wasm.value.member(&["pluginConfig"])),
    }
}

/// The object's kind and name, such as `WasmPlugin shop/evenkeel-network`.
fn name(object: &Node, kind: &str) -> String {
    let metadata = object.get("metadata");
    let of = |key| metadata.and_then(|metadata| metadata.string(key));
    let name = of("name")
        .or(of("generateName"))
        .unwrap_or("without a name");
    match of("namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// Identifies the proxies that the object applies to.
fn proxy(object: &Node, spec: &Node) -> String {
    let metadata = object.get("metadata");
    let namespace = metadata.and_then(|metadata| metadata.string("namespace"));
    let mut proxy = namespace.unwrap_or_default().to_owned();
    for key in ["selector", "targetRef", "targetRefs", "match"] {
        proxy += &spec
            .get(key)
            .map(|value| value.to_json())
            .unwrap_or_default();
    }
    proxy
}

fn urls(code: &Node) -> Vec<String> {
    let places = ["image", "http"]
        .into_iter()
        .filter_map(|key| code.get(key));
    places.flat_map(|place| strings(place, &["url"])).collect()
}

fn strings(node: &Node, keys: &[&str]) -> Vec<String> {
    let strings = keys.iter().filter_map(|key| node.string(key));
    strings.map(str::to_owned).collect()
}
