//! The templates of manifests. Every value is inserted as a YAML scalar, so it cannot change the structure; a block that is
//! already YAML is marked with `Value::from_safe_string`.

use anyhow::{Context, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value};
use serde::Serialize;

use super::scalar;

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/", $name, ".yaml")))),*]
    };
}

const TEMPLATES: [(&str, &str); 19] = templates![
    "envoy",
    "envoy/filter",
    "gateway_api",
    "gateway_api/keepalive",
    "gateway_api/target",
    "http2_upstream",
    "istio",
    "istio/downstream",
    "istio/on_demand",
    "metadata",
    "istio/plugin",
    "istio/selector",
    "istio/target",
    "istio/upstream",
    "istio/wasm",
    "kustomization",
    "limits",
    "peers_route",
    "socket_options",
];

/// Fills in a template.
///
/// # Errors
/// When the template uses a name that the context does not have.
pub fn render(name: &str, context: &impl Serialize) -> Result<String> {
    let mut environment = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("yaml".into()));
    environment.set_formatter(write);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    let template = environment.get_template(name)?;
    template
        .render(Serde(context))
        .context("a template is broken")
}

fn write(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => out.write_str(&scalar::string(text))?,
        _ => write!(out, "{value}")?,
    }
    Ok(())
}
