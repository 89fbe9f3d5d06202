//! The scalar values: each a newtype that only holds what is allowed.
pub(crate) mod rebalance;

use crate::duration;
use crate::glob::Glob;
use crate::json::Json;
use crate::read::Value;
use crate::rule::Jitter;
use core::num::NonZeroU64;
use core::time::Duration;

pub(crate) use rebalance::{
    Cluster, GossipInterval, HighWatermark, LowWatermark, MaxRate, Samples,
};

/// The largest whole number below which a double holds every one (RFC 8259 6).
pub(crate) const MAX_COUNT: f64 = 9_007_199_254_740_991.0;

/// The maximum of TCP socket options for times, in seconds, and for probes (Linux).
pub(crate) const MAX_TCP_SECONDS: u64 = 32_767;
pub(crate) const MAX_TCP_PROBES: u32 = 127;

/// The bounds of a rate, per second: about one in twelve days, and a million.
pub(crate) const RATES: core::ops::RangeInclusive<f64> = 1e-6..=1e6;

pub(crate) const MAX_NAME: usize = 64;
pub(crate) const MAX_PREFIX: usize = 1024;

/// A whole number of at least 1 and at most `max`.
fn count(json: &Json, max: f64) -> Option<NonZeroU64> {
    match json {
        Json::Number(value) if (1.0..=max).contains(value) && value.fract() == 0.0 => {
            NonZeroU64::new(*value as u64)
        }
        _ => None,
    }
}

fn is_off(json: &Json) -> bool {
    matches!(json, Json::String(text) if text == "off")
}

/// Parses a duration.
///
/// # Errors
/// What is allowed.
fn span(json: &Json, allowed: &'static str) -> Result<Duration, &'static str> {
    match json {
        Json::String(text) => match duration::parse(text) {
            Some(span) if span > duration::LONGEST => Err("the longest duration is \"3650d\""),
            Some(span) => Ok(span),
            None => Err(allowed),
        },
        _ => Err(allowed),
    }
}

/// The value of `$schema`, which only editors use.
#[derive(Clone, Debug)]
pub(crate) struct SchemaRef;

impl Value for SchemaRef {
    const ALLOWED: &'static str = "it must be a string that names the schema";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::String(_) => Ok(Self),
            _ => Err(Self::ALLOWED),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Version;

impl Value for Version {
    const ALLOWED: &'static str = r#"write "version": 1, the only version"#;

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::Number(1.0) => Ok(Self),
            _ => Err(Self::ALLOWED),
        }
    }
}

impl Value for bool {
    const ALLOWED: &'static str = "allowed are true and false";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::Bool(value) => Ok(*value),
            _ => Err(Self::ALLOWED),
        }
    }
}

/// A duration that may be zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait(pub(crate) Duration);

impl Value for Wait {
    const ALLOWED: &'static str =
        r#"it must be a number with a unit, such as "0s", "250ms", "30s", "5m", "1h30m", "7d""#;

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        span(json, Self::ALLOWED).map(Self)
    }
}

/// A duration greater than zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval(pub(crate) Duration);

impl Value for Interval {
    const ALLOWED: &'static str =
        r#"it must be a number with a unit, such as "250ms", "30s", "5m", "1h30m", "7d""#;

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match span(json, Self::ALLOWED)? {
            Duration::ZERO => Err(r#"it must be greater than zero, such as "30s""#),
            span => Ok(Self(span)),
        }
    }
}

/// A duration that a TCP socket option accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpTime(pub(crate) Duration);

impl Value for TcpTime {
    const ALLOWED: &'static str =
        r#"it must be whole seconds, from "1s" to "32767s", such as "60s" or "5m""#;

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let span = span(json, Self::ALLOWED)?;
        let fits = span.subsec_nanos() == 0 && (1..=MAX_TCP_SECONDS).contains(&span.as_secs());
        fits.then_some(Self(span)).ok_or(Self::ALLOWED)
    }
}

/// A duration greater than zero, or off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgeLimit(pub(crate) Option<Duration>);

impl Value for AgeLimit {
    const ALLOWED: &'static str =
        r#"it must be a number with a unit, such as "250ms", "30s", "5m", "1h30m", "7d", or "off""#;

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        if is_off(json) {
            return Ok(Self(None));
        }
        match span(json, Self::ALLOWED)? {
            Duration::ZERO => Err(r#"it must be greater than zero; "off" disables it"#),
            span => Ok(Self(Some(span))),
        }
    }
}

/// A count of at least 1, or off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountLimit(pub(crate) Option<NonZeroU64>);

impl Value for CountLimit {
    const ALLOWED: &'static str =
        r#"it must be a whole number from 1 to 9007199254740991, or "off""#;

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match count(json, MAX_COUNT) {
            Some(count) => Ok(Self(Some(count))),
            None if is_off(json) => Ok(Self(None)),
            None => Err(Self::ALLOWED),
        }
    }
}

impl Value for Jitter {
    const ALLOWED: &'static str = "it must be a number from 0 to 1, the fraction of a limit by which a connection may be drained earlier";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::Number(part) => Self::new(*part).ok_or(Self::ALLOWED),
            _ => Err(Self::ALLOWED),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate(pub(crate) f64);

impl Value for Rate {
    const ALLOWED: &'static str = "it must be a number from 0.000001 to 1000000";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::Number(rate) if RATES.contains(rate) => Ok(Self(*rate)),
            _ => Err(Self::ALLOWED),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Count(pub(crate) u32);

impl Value for Count {
    const ALLOWED: &'static str = "it must be a whole number from 1 to 4294967295";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let count = count(json, u32::MAX.into()).and_then(|count| count.get().try_into().ok());
        count.map(Self).ok_or(Self::ALLOWED)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Probes(pub(crate) u32);

impl Value for Probes {
    const ALLOWED: &'static str = "it must be a whole number from 1 to 127";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let count =
            count(json, MAX_TCP_PROBES.into()).and_then(|count| count.get().try_into().ok());
        count.map(Self).ok_or(Self::ALLOWED)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(pub(crate) u16);

impl Value for Port {
    const ALLOWED: &'static str = "it must be a whole number from 1 to 65535";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let count = count(json, u16::MAX.into()).and_then(|count| count.get().try_into().ok());
        count.map(Self).ok_or(Self::ALLOWED)
    }
}

/// A name that is a valid metric label.
#[derive(Clone, Debug)]
pub(crate) struct Name(pub(crate) String);

impl Value for Name {
    const ALLOWED: &'static str = "it must be 1 to 64 ASCII letters, digits, `-`, `_` or `.`";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match json {
            Json::String(name) if name == "defaults" => {
                Err("the name is reserved: metrics use it where no rule matches")
            }
            Json::String(name)
                if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits) =>
            {
                Ok(Self(name.clone()))
            }
            _ => Err(Self::ALLOWED),
        }
    }
}

impl Value for Glob {
    const ALLOWED: &'static str =
        "it must be 1 to 256 bytes, where `*` matches any run and `?` any one byte";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::String(pattern) => Self::new(pattern).ok_or(Self::ALLOWED),
            _ => Err(Self::ALLOWED),
        }
    }
}

/// A literal prefix of a path.
#[derive(Clone, Debug)]
pub(crate) struct Prefix(pub(crate) String);

impl Value for Prefix {
    const ALLOWED: &'static str =
        "it must begin with `/` and have at most 1024 bytes, such as \"/api\"";

    fn from_json(json: &Json) -> Result<Self, &'static str> {
        match json {
            Json::String(prefix) if prefix.bytes().any(|byte| b"?#".contains(&byte)) => Err(
                "a prefix is compared with the path without the query: it must not contain `?` or `#`",
            ),
            Json::String(prefix) if prefix.as_bytes().contains(&b'*') => {
                Err("a prefix is literal and needs no `*`: \"/api/\" matches everything below it")
            }
            Json::String(prefix) if prefix.starts_with('/') && prefix.len() <= MAX_PREFIX => {
                Ok(Self(prefix.clone()))
            }
            _ => Err(Self::ALLOWED),
        }
    }
}
