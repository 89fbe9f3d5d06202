//! What a client says of itself before its first request, and with it.

use super::fields::FieldScan;

/// The longest list of settings that is remembered: no client that is recognised sends more.
const MAX_SETTINGS: usize = 9;

/// The first SETTINGS of a client, its first WINDOW_UPDATE on stream 0, and its first request.
#[derive(Debug, Default)]
pub(super) struct FirstFrames {
    settings: [(u16, u32); MAX_SETTINGS],
    /// How many settings came; more than there is room for when the list is too long.
    count: usize,
    window_update: Option<u32>,
    /// The first stream, once its HEADERS have begun.
    first_stream: u32,
    /// The header block of the first request.
    pub(super) fields: FieldScan,
}

impl FirstFrames {
    /// Takes the next setting as it stands in the frame: two bytes identifier, four bytes value (RFC 9113
    /// 6.5.1). Says whether there is room for a further one.
    pub(super) fn setting(&mut self, bytes: [u8; 6]) -> bool {
        let [a, b, c, d, e, f] = bytes;
        if let Some(slot) = self.settings.get_mut(self.count) {
            *slot = (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
        }
        self.count = self.count.saturating_add(1);
        self.count <= MAX_SETTINGS
    }

    /// Takes a WINDOW_UPDATE on stream 0; the first counts.
    pub(super) fn widen(&mut self, bytes: u32) {
        self.window_update.get_or_insert(bytes);
    }

    /// The first request begins on this stream.
    pub(super) fn begin_request(&mut self, stream: u32) {
        self.first_stream = stream;
    }

    /// The first request has begun.
    pub(super) fn has_request(&self) -> bool {
        self.first_stream != 0
    }

    /// The settings in the order in which they came; None when the list was too long.
    pub(super) fn settings(&self) -> Option<&[(u16, u32)]> {
        self.settings.get(..self.count)
    }

    /// The first increment of the connection's window, in bytes.
    pub(super) fn window_update(&self) -> Option<u32> {
        self.window_update
    }

    /// The id of the first stream.
    pub(super) fn first_stream(&self) -> u32 {
        self.first_stream
    }

    /// The first request is a gRPC call.
    pub(super) fn is_grpc(&self) -> bool {
        self.fields.has_grpc()
    }
}
