//! Turns a JSON tree into values, and reports every error instead of stopping at the first.
use crate::error::{Cause, Report, UNQUOTED_OFF};
use crate::json::Json;
use crate::path::Path;

/// A type that can be the value of a key.
pub(crate) trait Read: Sized {
    /// What is allowed, for messages.
    const ALLOWED: &'static str;

    /// Reads a value. None where it is invalid, which was reported.
    fn read(json: &Json, at: &Path<'_>, report: &mut Report) -> Option<Self>;
}

/// A value without structure.
pub(crate) trait Value: Sized {
    /// What is allowed, for messages.
    const ALLOWED: &'static str;

    /// The allowed words.
    const WORDS: &'static [&'static str] = &[];

    /// Former words, each with its replacement.
    const RENAMED: &'static [(&'static str, &'static str)] = &[];

    /// Converts a value.
    ///
    /// # Errors
    /// What is allowed.
    fn from_json(json: &Json) -> Result<Self, &'static str>;
}

impl<T: Value> Read for T {
    const ALLOWED: &'static str = <T as Value>::ALLOWED;

    fn read(json: &Json, at: &Path<'_>, report: &mut Report) -> Option<Self> {
        match T::from_json(json) {
            Ok(value) => Some(value),
            Err(allowed) => {
                let is_valid = |json: &Json| T::from_json(json).is_ok();
                let near = near(json, T::WORDS, T::RENAMED);
                reject_value(json, at, allowed, near, is_valid, report);
                None
            }
        }
    }
}

/// Reports an invalid value. One function for all types keeps the module small.
fn reject_value(
    json: &Json,
    at: &Path<'_>,
    allowed: &str,
    near: Option<&'static str>,
    is_valid: fn(&Json) -> bool,
    report: &mut Report,
) {
    let allowed = format!("{allowed}{}", yaml_hint(json, is_valid));
    reject(json, at, &allowed, near, report);
}

/// Returns a hint for a policy that was written in YAML: YAML reads an unquoted `off` as false, and templates quote
/// numbers.
fn yaml_hint(json: &Json, is_valid: fn(&Json) -> bool) -> String {
    let unquoted = match json {
        Json::Bool(false) if is_valid(&Json::String("off".to_owned())) => {
            return format!("; {UNQUOTED_OFF}");
        }
        Json::String(text) => Json::parse(text.as_bytes()).ok(),
        _ => None,
    };
    let hint = match unquoted.filter(is_valid) {
        Some(Json::Number(_)) => "; write a number without quotes (YAML too)",
        Some(Json::Bool(_)) => "; write a word without quotes (YAML too)",
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

/// Returns the word that was probably meant: the replacement of a former word, or the nearest one.
fn near(
    json: &Json,
    words: &[&'static str],
    renamed: &[(&str, &'static str)],
) -> Option<&'static str> {
    let Json::String(word) = json else {
        return None;
    };
    let renamed = renamed.iter().find(|(old, _)| old == word);
    renamed
        .map(|(_, new)| *new)
        .or_else(|| nearest(word, words.iter().copied()))
}

/// The most entries of a list: rules are matched one after the other, and each has its own metrics.
pub(crate) const MAX_ENTRIES: usize = 1000;

/// The most keys of an object, which are compared with each other. None has as many that are known.
const MAX_KEYS: usize = 100;

impl<T: Read + Default> Read for Vec<T> {
    const ALLOWED: &'static str = "it must be a list of at most 1000 entries";

    /// An invalid entry becomes an empty one, so that the next ones keep their index.
    #[inline(never)]
    fn read(json: &Json, at: &Path<'_>, report: &mut Report) -> Option<Self> {
        let Json::List(items) = json else {
            report.value(at, json, Self::ALLOWED);
            return None;
        };
        if items.len() > MAX_ENTRIES {
            too_long("a list of", items.len(), Self::ALLOWED, at, report);
            return None;
        }
        let item = |(index, item)| T::read(item, &at.index(index), report).unwrap_or_default();
        Some(items.iter().enumerate().map(item).collect())
    }
}

/// Reports a list or object of `len` entries.
#[inline(never)]
fn too_long(kind: &str, len: usize, allowed: &str, at: &Path<'_>, report: &mut Report) {
    report.add(
        at,
        Cause::Value {
            found: format!("{kind} {len}"),
            allowed: allowed.to_owned(),
            near: None,
        },
    );
}

/// One key of an object.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) allowed: &'static str,
    #[cfg(feature = "schema")]
    pub(crate) schema: crate::schema::KeySchema,
}

/// An object with known keys; [`crate::declare::object`] implements it.
pub(crate) trait Object {
    /// Keys that belong elsewhere, each with a hint.
    fn misplaced(&self) -> &'static [(&'static str, &'static str)];

    /// What to write instead of `"off"` in place of the object.
    fn off_hint(&self) -> Option<&'static str>;

    /// The replacement of a former key.
    fn renamed(&self, key: &str) -> Option<&'static str>;

    /// Appends the known keys, in order.
    fn keys(&self, keys: &mut Vec<Key>);

    /// Reads the value of a key. False when the key is unknown.
    fn take(&mut self, key: &str, json: &Json, at: &Path<'_>, report: &mut Report) -> bool;
}

/// Reads all members. False when `json` is not an object. One function for all objects keeps the module small.
pub(crate) fn members(
    object: &mut dyn Object,
    json: &Json,
    at: &Path<'_>,
    report: &mut Report,
) -> bool {
    let Json::Object(members) = json else {
        reject(json, at, &not_an_object(json, object), None, report);
        return false;
    };
    if members.len() > MAX_KEYS {
        let allowed = "it must be an object of at most 100 keys";
        too_long("an object of", members.len(), allowed, at, report);
        return false;
    }
    let mut keys = Vec::new();
    object.keys(&mut keys);
    let first_entry = |key: &str| members.iter().position(|(held, _)| held == key);
    for (entry, (key, json)) in members.iter().enumerate() {
        let at = at.key(key);
        // The first entry counts, so that one mistake is one error.
        if let Some(first) = first_entry(key).filter(|first| *first < entry) {
            let (first, again) = (first.saturating_add(1), entry.saturating_add(1));
            report.add(&at, Cause::RepeatedKey { first, again });
            continue;
        }
        if !object.take(key, json, &at, report) {
            report.add(&at, unknown(key, &keys, object));
        }
    }
    for key in keys
        .iter()
        .filter(|key| key.required && first_entry(key.name).is_none())
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

/// What is allowed in place of `json`, which is not an object.
fn not_an_object(json: &Json, object: &dyn Object) -> String {
    // YAML reads an unquoted `off` as false.
    let is_off = match json {
        Json::Null | Json::Bool(false) => true,
        Json::String(word) => word == "off",
        _ => false,
    };
    match object.off_hint().filter(|_| is_off) {
        Some(hint) => format!("it must be an object; {hint}"),
        None => "it must be an object".to_owned(),
    }
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

/// Returns the known name that `name` was probably meant to be: up to a third of its letters differ.
fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    /// Longer than any known name; bounds the work for hostile keys.
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
