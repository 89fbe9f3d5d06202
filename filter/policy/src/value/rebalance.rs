//! Values of `rebalance` and `peers`.
use super::{count, span};
use crate::json::Json;
use crate::read::Value;
use crate::rebalance::Weight;
use core::ops::RangeInclusive;
use core::time::Duration;

/// The largest excess, as a fraction of the mean: far above what any pod survives.
pub(crate) const MAX_EXCESS: f64 = 100.0;
pub(crate) const PARTS: RangeInclusive<f64> = 1e-6..=1.0;
pub(crate) const MAX_SAMPLES: u32 = 15;

/// Load reports contain weights in thousandths.
pub(crate) const WEIGHTS: RangeInclusive<f64> = 0.001..=1e6;
pub(crate) const WORKERS: &str = "workers";

pub(crate) const MAX_CLUSTER: usize = 1024;

const INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60 * 60);

fn number(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => Some(*number),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct HighWatermark(pub(crate) f64);

impl Value for HighWatermark {
    const ALLOWED: &'static str = "it must be a number above 0 and at most 100, as a fraction of the mean: 0.2 is a fifth more";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let fits = |excess: &f64| *excess > 0.0 && *excess <= MAX_EXCESS;
        number(json).filter(fits).map(Self).ok_or(Self::ALLOWED)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LowWatermark(pub(crate) f64);

impl Value for LowWatermark {
    const ALLOWED: &'static str =
        "it must be a number from 0 to 100, as a fraction of the mean: 0.1 is a tenth more";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let fits = |excess: &f64| (0.0..=MAX_EXCESS).contains(excess);
        number(json).filter(fits).map(Self).ok_or(Self::ALLOWED)
    }
}

/// A fraction of the mean load, per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaxRate(pub(crate) f64);

impl Value for MaxRate {
    const ALLOWED: &'static str = "it must be a number from 0.000001 to 1, the fraction of the mean load that is drained in a second";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        number(json)
            .filter(|part| PARTS.contains(part))
            .map(Self)
            .ok_or(Self::ALLOWED)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Samples(pub(crate) u32);

impl Value for Samples {
    const ALLOWED: &'static str = "it must be a whole number from 1 to 15";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let count = count(json, MAX_SAMPLES.into()).and_then(|count| count.get().try_into().ok());
        count.map(Self).ok_or(Self::ALLOWED)
    }
}

impl Value for Weight {
    const ALLOWED: &'static str = r#"it must be a number from 0.001 to 1000000, or "workers""#;
    const WORDS: &'static [&'static str] = &[WORKERS];

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::Number(weight) if WEIGHTS.contains(weight) => Ok(Self::Fixed(*weight)),
            Json::String(word) if word == WORKERS => Ok(Self::Workers),
            _ => Err(Self::ALLOWED),
        }
    }
}

/// The interval of gossip requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GossipInterval(pub(crate) Duration);

impl Value for GossipInterval {
    const ALLOWED: &'static str = r#"it must be a duration from "100ms" to "1h", such as "1s""#;

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let span = span(json, Self::ALLOWED)?;
        INTERVALS
            .contains(&span)
            .then_some(Self(span))
            .ok_or(Self::ALLOWED)
    }
}

/// The name of a cluster in Envoy's configuration.
#[derive(Clone, Debug)]
pub(crate) struct Cluster(pub(crate) String);

impl Value for Cluster {
    const ALLOWED: &'static str = r#"it must be the name of a cluster in Envoy's configuration, of 1 to 1024 bytes, such as "outbound|8080||shop.default.svc.cluster.local""#;

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
