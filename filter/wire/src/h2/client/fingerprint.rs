//! What a library's first frames have in common, however its users configure it.

use crate::h2::first_frames::FirstFrames;

/// The first frames of a client: which settings in which order, and what else its users do not choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its first SETTINGS frame (RFC 9113 6.5), in order.
    pub settings: &'static [SettingPattern],
    /// Its first WINDOW_UPDATE on stream 0, if it comes before the first request.
    pub window_update: WindowUpdatePattern,
    /// The id of its first stream. 3 where the library keeps 1 for an upgrade from HTTP/1.
    pub first_stream: Option<u32>,
    /// Whether its first request is a gRPC call.
    pub grpc: Option<bool>,
}

/// A setting of a [`Fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingPattern {
    /// Its identifier.
    pub id: u16,
    /// Its value; None where users configure it.
    pub value: Option<u32>,
    /// The library sends it only if it differs from the protocol's or the library's default.
    pub is_optional: bool,
}

/// How a client widens the connection's window (RFC 9113 6.9) before its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowUpdatePattern {
    /// Not at all.
    Never,
    /// By as much as its users configure.
    Always,
    /// By so many bytes, which its users do not configure.
    By(u32),
    /// By as much as its users configure, but not by so many bytes: that is another library's constant.
    NotBy(u32),
    /// Only with some configurations.
    Any,
}

/// A setting that is always sent, and whose value users configure.
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
    /// These settings, whatever else is sent.
    pub(super) const fn of(settings: &'static [SettingPattern]) -> Self {
        Self {
            settings,
            window_update: WindowUpdatePattern::Any,
            first_stream: None,
            grpc: None,
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
            && first_frames
                .settings()
                .is_some_and(|sent| self.has_settings(sent))
    }

    /// Each of `sent` stands in the list, in this order, and none that is always sent is missing. No fingerprint
    /// has an identifier twice, so the first that fits is the only one.
    fn has_settings(&self, sent: &[(u16, u32)]) -> bool {
        let mut rest = sent;
        for setting in self.settings {
            match rest.split_first() {
                Some((&(id, value), later))
                    if id == setting.id && setting.value.is_none_or(|fixed| fixed == value) =>
                {
                    rest = later;
                }
                _ if setting.is_optional => {}
                _ => return false,
            }
        }
        rest.is_empty()
    }
}
