//! The JSON schema (draft 2020-12) of a policy, derived from the types of the reader.
use crate::document::{Budget, BudgetSetting, Document};
use crate::glob::{self, Glob};
use crate::read::{Key, MAX_ENTRIES, Object};
use crate::rebalance::Weight;
use crate::rule::Jitter;
use crate::value::{
    self, AgeLimit, Cluster, Count, CountLimit, GossipInterval, HighWatermark, Interval,
    LowWatermark, MaxRate, Name, Port, Prefix, Probes, Rate, Samples, SchemaRef, TcpTime, Version,
    Wait,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use std::borrow::Cow;

/// The JSON schema of a policy, as text with a line feed at its end.
pub fn schema() -> String {
    let mut schema = SchemaGenerator::default()
        .into_root_schema_for::<Document>()
        .to_value();
    forget_inherited_defaults(&mut schema);
    format!("{schema:#}\n")
}

/// The description of a key.
#[derive(Clone)]
pub(crate) struct KeySchema {
    pub(crate) doc: &'static str,
    pub(crate) default: Option<Default>,
    pub(crate) of: fn(&mut SchemaGenerator) -> Schema,
}

pub(crate) type Default = Value;

/// Joins a documentation comment into one line.
pub(crate) fn prose(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The schema of an object with known keys.
pub(crate) fn object(
    object: &dyn Object,
    generator: &mut SchemaGenerator,
    doc: &str,
    more: Schema,
) -> Schema {
    let mut keys = Vec::new();
    object.keys(&mut keys);
    let mut schema = json_schema!({ "description": prose(doc), "type": "object" });
    let required: Vec<_> = keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    let property = |key: Key| {
        (
            key.name.to_owned(),
            property(key.schema, generator).to_value(),
        )
    };
    schema.insert(
        "properties".into(),
        Value::Object(keys.into_iter().map(property).collect()),
    );
    schema.insert("additionalProperties".into(), false.into());
    for (name, value) in more.as_object().into_iter().flatten() {
        schema.insert(name.clone(), value.clone());
    }
    schema
}

fn property(key: KeySchema, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = json_schema!({ "description": prose(key.doc) });
    if let Some(default) = key.default {
        schema.insert("default".into(), default);
    }
    let of = (key.of)(generator);
    for (name, value) in of.as_object().into_iter().flatten() {
        schema.insert(name.clone(), value.clone());
    }
    if schema.get("type") == Some(&"array".into()) {
        schema.insert("maxItems".into(), MAX_ENTRIES.into());
    }
    schema
}

/// Removes the defaults of inherited keys from routes and TCP rules: there, `defaults` provides the value.
fn forget_inherited_defaults(schema: &mut Value) {
    let inherited = schema
        .pointer("/$defs/Rule/properties")
        .and_then(Value::as_object)
        .cloned();
    for rule in ["Route", "Tcp"] {
        let keys = schema
            .pointer_mut(&format!("/$defs/{rule}/properties"))
            .and_then(Value::as_object_mut);
        for (name, key) in keys.into_iter().flatten() {
            if let (true, Some(key)) = (
                inherited
                    .as_ref()
                    .is_some_and(|keys| keys.contains_key(name)),
                key.as_object_mut(),
            ) {
                key.remove("default");
            }
        }
    }
}

macro_rules! schemas {
    ($( $type:ident: $schema:tt, )*) => {
        $(
            impl JsonSchema for $type {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($type).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        )*
    };
}

/// A duration, as [`crate::duration`] parses it.
const DURATION: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
const NOT_ZERO: &str = "[1-9]";
const OFF: &str = "off";

schemas! {
    SchemaRef: { "type": "string" },
    Version: { "const": 1 },
    Wait: { "type": "string", "minLength": 2, "pattern": DURATION },
    Interval: { "type": "string", "allOf": [{ "pattern": DURATION }, { "pattern": NOT_ZERO }] },
    TcpTime: { "type": "string", "allOf": [{ "pattern": DURATION }, { "pattern": NOT_ZERO }] },
    AgeLimit: {
        "anyOf": [
            { "const": OFF },
            { "type": "string", "allOf": [{ "pattern": DURATION }, { "pattern": NOT_ZERO }] },
        ],
    },
    CountLimit: {
        "anyOf": [{ "const": OFF }, { "type": "integer", "minimum": 1, "maximum": value::MAX_COUNT as u64 }],
    },
    Jitter: { "type": "number", "minimum": 0, "maximum": 1 },
    Rate: { "type": "number", "minimum": value::RATES.start(), "maximum": value::RATES.end() },
    Count: { "type": "integer", "minimum": 1, "maximum": u32::MAX },
    Probes: { "type": "integer", "minimum": 1, "maximum": value::MAX_TCP_PROBES },
    HighWatermark: { "type": "number", "exclusiveMinimum": 0, "maximum": value::rebalance::MAX_EXCESS },
    LowWatermark: { "type": "number", "minimum": 0, "maximum": value::rebalance::MAX_EXCESS },
    MaxRate: { "type": "number", "minimum": value::rebalance::PARTS.start(), "maximum": value::rebalance::PARTS.end() },
    Samples: { "type": "integer", "minimum": 1, "maximum": value::rebalance::MAX_SAMPLES },
    Weight: {
        "anyOf": [
            { "const": value::rebalance::WORKERS },
            { "type": "number", "minimum": value::rebalance::WEIGHTS.start(), "maximum": value::rebalance::WEIGHTS.end() },
        ],
    },
    GossipInterval: { "type": "string", "allOf": [{ "pattern": DURATION }, { "pattern": NOT_ZERO }] },
    Cluster: {
        "type": "string",
        "pattern": "^[^\\u0000-\\u001f\\u007f]+$",
        "maxLength": value::rebalance::MAX_CLUSTER,
    },
    Port: { "type": "integer", "minimum": 1, "maximum": u16::MAX },
    Name: {
        "type": "string",
        "pattern": "^[A-Za-z0-9._-]+$",
        "maxLength": value::MAX_NAME,
        "not": { "const": "defaults" },
    },
    Glob: { "type": "string", "minLength": 1, "maxLength": glob::LONGEST },
    Prefix: { "type": "string", "pattern": "^/[^?#*]*$", "maxLength": value::MAX_PREFIX },
}

impl JsonSchema for BudgetSetting {
    fn schema_name() -> Cow<'static, str> {
        "BudgetSetting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<Budget>(), { "const": OFF }] })
    }
}
