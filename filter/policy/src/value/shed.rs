//! The values of `shed` and `peers`.
use super::{count, span};
use crate::json::Json;
use crate::read::Value;
use crate::shed::Weight;
use core::ops::RangeInclusive;
use core::time::Duration;

/// The most that a surplus can be, as a part of the mean: far above what any pod survives.
pub(crate) const MAX_SURPLUS: f64 = 100.0;
pub(crate) const PARTS: RangeInclusive<f64> = 1e-6..=1.0;
pub(crate) const MAX_LOOKS: u32 = 15;

/// Proxies tell each other weights in thousandths.
pub(crate) const WEIGHTS: RangeInclusive<f64> = 0.001..=1e6;
pub(crate) const WORKERS: &str = "workers";

pub(crate) const MAX_CLUSTER: usize = 1024;

const EVERY: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60 * 60);

fn number(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => Some(*number),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct StartAt(pub(crate) f64);

impl Value for StartAt {
    const ALLOWED: &'static str =
        "it is a number above 0 and at most 100, as a part of the mean: 0.2 is a fifth more";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let fits = |surplus: &f64| *surplus > 0.0 && *surplus <= MAX_SURPLUS;
        number(json).filter(fits).map(Self).ok_or(Self::ALLOWED)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance(pub(crate) f64);

impl Value for Tolerance {
    const ALLOWED: &'static str =
        "it is a number from 0 to 100, as a part of the mean: 0.1 is a tenth more";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let fits = |surplus: &f64| (0.0..=MAX_SURPLUS).contains(surplus);
        number(json).filter(fits).map(Self).ok_or(Self::ALLOWED)
    }
}

/// A part of the mean load, for each second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part(pub(crate) f64);

impl Value for Part {
    const ALLOWED: &'static str =
        "it is a number from 0.000001 to 1, the part of the mean load that is moved in a second";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        number(json)
            .filter(|part| PARTS.contains(part))
            .map(Self)
            .ok_or(Self::ALLOWED)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Looks(pub(crate) u32);

impl Value for Looks {
    const ALLOWED: &'static str = "it is a whole number from 1 to 15";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let count = count(json, MAX_LOOKS.into()).and_then(|count| count.get().try_into().ok());
        count.map(Self).ok_or(Self::ALLOWED)
    }
}

impl Value for Weight {
    const ALLOWED: &'static str = r#"it is a number from 0.001 to 1000000, or "workers""#;
    const WORDS: &'static [&'static str] = &[WORKERS];

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::Number(weight) if WEIGHTS.contains(weight) => Ok(Self::Fixed(*weight)),
            Json::String(word) if word == WORKERS => Ok(Self::Workers),
            _ => Err(Self::ALLOWED),
        }
    }
}

/// How often the others are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Every(pub(crate) Duration);

impl Value for Every {
    const ALLOWED: &'static str = r#"it is a duration from "100ms" to "1h", such as "1s""#;

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let span = span(json, Self::ALLOWED)?;
        EVERY
            .contains(&span)
            .then_some(Self(span))
            .ok_or(Self::ALLOWED)
    }
}

/// The name of a cluster in Envoy's configuration.
#[derive(Clone, Debug)]
pub(crate) struct Cluster(pub(crate) String);

impl Value for Cluster {
    const ALLOWED: &'static str = r#"it is the name of a cluster in Envoy's configuration, of 1 to 1024 bytes, such as "outbound|8080||shop.default.svc.cluster.local""#;

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::String(name)
                if (1..=MAX_CLUSTER).contains(&name.len())
                    && !name.contains(|c: char| c.is_ascii_control()) =>
            {
                Ok(Self(name.clone()))
            }
            _ => Err(Self::ALLOWED),
        }
    }
}
