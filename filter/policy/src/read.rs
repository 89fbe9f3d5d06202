//! Turns a JSON tree into values, and reports every error instead of stopping at the first.
use crate::error::{Cause, Report, UNQUOTED_OFF};
use crate::json::Json;
use crate::path::Path;
use std::collections::BTreeSet;

/// What can be the value of a key.
pub(crate) trait Read: Sized {
    /// What may be written, for messages.
    const ALLOWED: &'static str;

    /// None: there is no value, and why has been reported.
    fn read(json: &Json, at: &Path<'_>, report: &mut Report) -> Option<Self>;
}

/// A value without structure.
pub(crate) trait Value: Sized {
    /// What may be written, for messages.
    const ALLOWED: &'static str;

    /// The words that it is one of, where it is a word.
    const WORDS: &'static [&'static str] = &[];

    /// Former words, each with the one that has replaced it.
    const RENAMED: &'static [(&'static str, &'static str)] = &[];

    /// The error says what is allowed.
    fn from_json(json: &Json) -> Result<Self, &'static str>;
}

impl<T: Value> Read for T {
    const ALLOWED: &'static str = <T as Value>::ALLOWED;

    fn read(json: &Json, at: &Path<'_>, report: &mut Report) -> Option<Self> {
        match T::from_json(json) {
            Ok(value) => Some(value),
            Err(allowed) => {
                let allowed = format!("{allowed}{}", yaml_hint::<T>(json));
                reject(json, at, &allowed, near::<T>(json), report);
                None
            }
        }
    }
}

/// What a policy written in YAML may have meant: YAML reads an unquoted `off` as false, and templates put
/// quotes round numbers.
fn yaml_hint<T: Value>(json: &Json) -> String {
    let takes = |json| T::from_json(&json).is_ok();
    let hint = match json {
        Json::Bool(false) if takes(Json::String("off".to_owned())) => {
            return format!("; {UNQUOTED_OFF}");
        }
        Json::String(text) if text.parse().is_ok_and(|number| takes(Json::Number(number))) => {
            "; write a number without quotes (YAML too)"
        }
        Json::String(text) if text.parse().is_ok_and(|value| takes(Json::Bool(value))) => {
            "; write a word without quotes (YAML too)"
        }
        _ => "",
    };
    hint.to_owned()
}

fn reject(
    json: &Json,
    at: &Path<'_>,
    allowed: &str,
    near: Option<&'static str>,
    report: &mut Report,
) {
    let (found, allowed) = (json.to_string(), allowed.to_owned());
    report.add(
        at,
        Cause::Value {
            found,
            allowed,
            near,
        },
    );
}

/// The word that was probably meant: the one that has replaced a former word, or the nearest.
fn near<T: Value>(json: &Json) -> Option<&'static str> {
    let Json::String(word) = json else {
        return None;
    };
    let renamed = T::RENAMED.iter().find(|(old, _)| old == word);
    renamed
        .map(|(_, new)| *new)
        .or_else(|| nearest(word, T::WORDS.iter().copied()))
}

/// The most entries of a list: rules are tried one by one, and each has metrics of its own.
pub(crate) const MAX_ENTRIES: usize = 1000;

impl<T: Read + Default> Read for Vec<T> {
    const ALLOWED: &'static str = "it must be a list of at most 1000 entries";

    /// What cannot be read leaves an empty entry, so that those behind it keep their index.
    fn read(json: &Json, at: &Path<'_>, report: &mut Report) -> Option<Self> {
        let Json::List(items) = json else {
            report.value(at, json, Self::ALLOWED);
            return None;
        };
        if items.len() > MAX_ENTRIES {
            let found = format!("a list of {}", items.len());
            report.add(
                at,
                Cause::Value {
                    found,
                    allowed: Self::ALLOWED.to_owned(),
                    near: None,
                },
            );
            return None;
        }
        let item = |(index, item)| T::read(item, &at.index(index), report).unwrap_or_default();
        Some(items.iter().enumerate().map(item).collect())
    }
}

/// One key of an object.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) allowed: &'static str,
    #[cfg(feature = "schema")]
    pub(crate) schema: crate::schema::KeySchema,
}

/// An object with known keys; [`crate::declare::object`] writes it.
pub(crate) trait Object {
    /// Keys that people will try here, each with a hint.
    fn misplaced(&self) -> &'static [(&'static str, &'static str)];

    /// The key that has replaced this one.
    fn renamed(&self, key: &str) -> Option<&'static str>;

    /// Appends the known keys in their order.
    fn keys(&self, keys: &mut Vec<Key>);

    /// Takes the value of a key; false when the key is unknown.
    fn take(&mut self, key: &str, json: &Json, at: &Path<'_>, report: &mut Report) -> bool;
}

/// Reads all members; false when it is no object. One function for all objects: the module is smaller.
pub(crate) fn members(
    object: &mut dyn Object,
    json: &Json,
    at: &Path<'_>,
    report: &mut Report,
) -> bool {
    let Json::Object(members) = json else {
        report.value(at, json, "it must be an object");
        return false;
    };
    let mut keys = Vec::new();
    object.keys(&mut keys);
    let mut seen = BTreeSet::new();
    for (key, json) in members {
        let at = at.key(key);
        if !seen.insert(key.as_str()) {
            report.add(&at, Cause::RepeatedKey);
        } else if !object.take(key, json, &at, report) {
            report.add(&at, unknown(key, &keys, object));
        }
    }
    for key in keys
        .iter()
        .filter(|key| key.required && !seen.contains(key.name))
    {
        report.add(
            &at.key(key.name),
            Cause::Missing {
                allowed: key.allowed,
            },
        );
    }
    true
}

fn unknown(key: &str, known: &[Key], object: &dyn Object) -> Cause {
    if let Some(to) = object.renamed(key) {
        return Cause::RenamedKey { to };
    }
    match object.misplaced().iter().find(|(name, _)| *name == key) {
        Some((_, hint)) => Cause::MisplacedKey { hint },
        None => Cause::UnknownKey {
            near: nearest(key, known.iter().map(|key| key.name)),
            known: known.iter().map(|key| key.name).collect(),
        },
    }
}

/// The known name that `name` was probably meant to be: up to a third of its letters differ.
fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    /// No known name is half as long; it bounds the work on hostile keys.
    const LONGEST: usize = 32;
    if name.len() > LONGEST {
        return None;
    }
    let distance = |known| {
        (
            strsim::osa_distance(&name.to_ascii_lowercase(), known),
            known,
        )
    };
    let (distance, known) = known.map(distance).min_by_key(|(distance, _)| *distance)?;
    (distance <= known.len().div_ceil(3)).then_some(known)
}
