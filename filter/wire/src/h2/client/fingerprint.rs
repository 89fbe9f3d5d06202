//! Patterns of first frames, which hold for a library however its users configure it.

use crate::h2::first_frames::FirstFrames;
use crate::h2::grpc::FirstFields;

/// A pattern of a client's first frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The settings of the first SETTINGS frame (RFC 9113 6.5), in order.
    pub settings: &'static [SettingPattern],
    /// The first WINDOW_UPDATE on stream 0 before the first request.
    pub window_update: WindowUpdatePattern,
    /// The id of the first stream: 3 where the library reserves 1 for an upgrade from HTTP/1.
    pub first_stream: Option<u32>,
    /// Whether the first request is a gRPC call; None where either matches.
    pub grpc: Option<bool>,
    /// The first two fields of the first request; None where any order matches.
    pub first_fields: Option<FirstFields>,
}

/// A pattern of one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingPattern {
    /// The identifier.
    pub id: u16,
    /// The value; None where users configure it.
    pub value: Option<u32>,
    /// The library omits it where the value equals a default of the protocol or the library.
    pub is_optional: bool,
}

/// A pattern of the increment of the connection's window (RFC 9113 6.9) before the first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowUpdatePattern {
    /// No increment.
    Never,
    /// Any increment.
    Always,
    /// This increment, which users do not configure.
    By(u32),
    /// Any increment except this one, which is the constant of another library.
    NotBy(u32),
    /// An increment with some configurations only.
    Any,
}

/// A setting that is always sent, with a value that users configure.
pub(super) const fn any(id: u16) -> SettingPattern {
    SettingPattern {
        id,
        value: None,
        is_optional: false,
    }
}

/// A setting that is always sent with this value.
pub(super) const fn is(id: u16, value: u32) -> SettingPattern {
    SettingPattern {
        id,
        value: Some(value),
        is_optional: false,
    }
}

/// A setting that is sent with some configurations.
pub(super) const fn maybe(id: u16) -> SettingPattern {
    SettingPattern {
        id,
        value: None,
        is_optional: true,
    }
}

impl Fingerprint {
    /// Returns a fingerprint with these settings that matches any other frames.
    pub(super) const fn of(settings: &'static [SettingPattern]) -> Self {
        Self {
            settings,
            window_update: WindowUpdatePattern::Any,
            first_stream: None,
            grpc: None,
            first_fields: None,
        }
    }

    pub(super) const fn window_update(self, window_update: WindowUpdatePattern) -> Self {
        Self {
            window_update,
            ..self
        }
    }

    pub(super) const fn first_stream(self, id: u32) -> Self {
        Self {
            first_stream: Some(id),
            ..self
        }
    }

    pub(super) const fn grpc(self, is_grpc: bool) -> Self {
        Self {
            grpc: Some(is_grpc),
            ..self
        }
    }

    pub(super) const fn first_fields(self, fields: FirstFields) -> Self {
        Self {
            first_fields: Some(fields),
            ..self
        }
    }

    pub(super) fn matches(&self, first_frames: &FirstFrames) -> bool {
        let update = first_frames.window_update();
        let update_fits = match self.window_update {
            WindowUpdatePattern::Never => update.is_none(),
            WindowUpdatePattern::Always => update.is_some(),
            WindowUpdatePattern::By(bytes) => update == Some(bytes),
            WindowUpdatePattern::NotBy(bytes) => update.is_some_and(|update| update != bytes),
            WindowUpdatePattern::Any => true,
        };
        update_fits
            && self
                .first_stream
                .is_none_or(|id| id == first_frames.first_stream())
            && self.grpc.is_none_or(|grpc| grpc == first_frames.is_grpc())
            && self
                .first_fields
                .is_none_or(|fields| fields == first_frames.first_fields())
            && first_frames
                .settings()
                .is_some_and(|sent| self.has_settings(sent))
    }

    /// Whether `sent` contains only settings of the pattern, in its order, and all that are not optional. No pattern
    /// has an identifier twice, so the first setting that matches is the only one.
    fn has_settings(&self, sent: &[(u16, u32)]) -> bool {
        let mut rest = sent;
        for setting in self.settings {
            match rest.split_first() {
                Some((&(id, value), later))
                    if id == setting.id && setting.value.is_none_or(|fixed| fixed == value) =>
                {
                    rest = later;
                }
                // The library omitted it; `sent` continues with a later setting.
                _ if setting.is_optional => {}
                _ => return false,
            }
        }
        rest.is_empty()
    }
}
