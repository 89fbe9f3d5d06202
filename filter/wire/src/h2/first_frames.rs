//! The frames that identify a client: those before its first request, and that request.

use super::grpc::{FirstFields, GrpcDetector};

/// The longest list of settings that is kept: no known client sends more.
const MAX_SETTINGS: usize = 9;

/// The first SETTINGS of a client, its first WINDOW_UPDATE on stream 0, and its first request.
#[derive(Debug, Default)]
pub(super) struct FirstFrames {
    settings: [(u16, u32); MAX_SETTINGS],
    /// The number of settings; above [`MAX_SETTINGS`] when not all were kept.
    count: usize,
    window_update: Option<u32>,
    /// The id of the first stream; 0 until its HEADERS frame.
    first_stream: u32,
    /// Scans the header block of the first request.
    pub(super) grpc: GrpcDetector,
}

impl FirstFrames {
    /// Adds a setting: a 16-bit identifier and a 32-bit value (RFC 9113 6.5.1). Returns whether there is room for
    /// another one.
    pub(super) fn add_setting(&mut self, bytes: [u8; 6]) -> bool {
        let [a, b, c, d, e, f] = bytes;
        if let Some(slot) = self.settings.get_mut(self.count) {
            *slot = (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
        }
        self.count = self.count.saturating_add(1);
        self.count <= MAX_SETTINGS
    }

    /// Records a WINDOW_UPDATE on stream 0; only the first one counts.
    pub(super) fn set_window_update(&mut self, increment: u32) {
        self.window_update.get_or_insert(increment);
    }

    /// Records that the first request begins on this stream.
    pub(super) fn begin_request(&mut self, stream: u32) {
        self.first_stream = stream;
    }

    pub(super) fn has_request(&self) -> bool {
        self.first_stream != 0
    }

    /// The settings in the order of the frame; None when the list is too long for any known client.
    pub(super) fn settings(&self) -> Option<&[(u16, u32)]> {
        self.settings.get(..self.count)
    }

    /// The first increment of the connection's window, in bytes.
    pub(super) fn window_update(&self) -> Option<u32> {
        self.window_update
    }

    pub(super) fn first_stream(&self) -> u32 {
        self.first_stream
    }

    /// The first two fields of the first request.
    pub(super) fn first_fields(&self) -> FirstFields {
        self.grpc.first_fields()
    }

    /// Whether the first request is a gRPC call.
    pub(super) fn is_grpc(&self) -> bool {
        self.grpc.is_grpc()
    }
}
