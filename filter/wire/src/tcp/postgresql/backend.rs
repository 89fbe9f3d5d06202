//! What the server sends ("Message Formats", B).

use super::{CopyMode, Phase, Requests, Shared, TransactionStatus};
use crate::chunk::Chunk;
use crate::tcp::frames::{Event, Frames, Lengths};
use crate::tcp::prefix::Prefix;
use crate::tcp::{BypassReason, PinReason};

/// Type and length.
const HEADER: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Backend {
    pub(super) frames: Frames<HEADER>,
    kind: u8,
    /// The status in a ReadyForQuery.
    status: Prefix<1>,
}

impl Backend {
    pub(super) fn scan(
        &mut self,
        chunk: &mut Chunk<'_>,
        shared: &mut Shared,
    ) -> Result<(), BypassReason> {
        loop {
            if shared.phase == Phase::Encryption && self.frames.is_between_messages() {
                match chunk.byte()? {
                    None => return Ok(()),
                    Some(b'S' | b'G') => return Err(BypassReason::Encrypted),
                    Some(b'N') => shared.phase = Phase::Startup,
                    // A server that does not know the request may send an ErrorResponse and close.
                    Some(_) => return Err(BypassReason::Unsupported),
                }
                continue;
            }
            match self.frames.next(chunk, parse)? {
                None => return Ok(()),
                Some(Event::Begin([kind, ..])) => {
                    self.kind = kind;
                    self.status.clear();
                }
                Some(Event::Payload(bytes)) => self.status.push(bytes),
                Some(Event::End) => self.end(shared)?,
            }
        }
    }

    fn end(&mut self, shared: &mut Shared) -> Result<(), BypassReason> {
        match self.kind {
            b'Z' => self.apply_ready_for_query(shared),
            b'G' | b'H' | b'W' => match &mut shared.phase {
                Phase::Ready(requests) => requests.begin_copy(self.kind),
                _ => Err(BypassReason::OutOfStep),
            },
            // Errors and notices: also to a client that has not sent its StartupMessage (too many connections).
            b'E' => {
                // It ends a COPY: the Sync that follows is not ignored.
                if let Phase::Ready(requests) = &mut shared.phase {
                    requests.copy = CopyMode::None;
                }
                Ok(())
            }
            // A function may have executed the LISTEN. Before a response, an UNLISTEN may be on its way.
            b'A' => {
                if let Phase::Ready(Requests { pending: 0, .. }) = shared.phase {
                    shared.sql.pins.insert(PinReason::Subscription);
                }
                Ok(())
            }
            b'N' | b'S' => Ok(()),
            _ if shared.phase == Phase::Startup => Err(BypassReason::OutOfStep),
            b'R' | b'K' | b'v' | b'T' | b'D' | b'C' | b'I' | b'1' | b'2' | b'3' | b'n' | b's'
            | b't' | b'V' | b'd' | b'c' => Ok(()),
            _ => Err(BypassReason::Malformed),
        }
    }

    fn apply_ready_for_query(&mut self, shared: &mut Shared) -> Result<(), BypassReason> {
        shared.transaction = match self.status.bytes() {
            b"I" => TransactionStatus::Idle,
            b"T" | b"E" => TransactionStatus::InBlock,
            _ => return Err(BypassReason::Malformed),
        };
        match &mut shared.phase {
            Phase::Authentication => shared.phase = Phase::Ready(Requests::default()),
            Phase::Ready(requests) if requests.pending > 0 => {
                requests.pending = requests.pending.saturating_sub(1);
                requests.copy = CopyMode::None;
            }
            _ => return Err(BypassReason::OutOfStep),
        }
        Ok(())
    }
}

impl Requests {
    fn begin_copy(&mut self, kind: u8) -> Result<(), BypassReason> {
        if self.pending == 0 && !self.has_unsynced {
            return Err(BypassReason::OutOfStep);
        }
        self.copy = match kind {
            b'G' => CopyMode::In,
            b'H' => CopyMode::Out,
            _ => CopyMode::Both,
        };
        // The server reads on for the data, and ignores the Sync that followed the Execute: its ReadyForQuery
        // comes for the Sync after CopyDone.
        if self.copy == CopyMode::In && self.ends_with_sync && self.pending > 0 {
            self.pending = self.pending.saturating_sub(1);
            self.has_unsynced = true;
        }
        Ok(())
    }
}

fn parse(header: &[u8]) -> Result<Option<Lengths>, BypassReason> {
    let inspected = u64::from(header.first() == Some(&b'Z'));
    Ok(payload_length(header)?.map(|payload| Lengths { payload, inspected }))
}

/// The length of a typed message's payload. The length on the wire includes itself.
pub(super) fn payload_length(header: &[u8]) -> Result<Option<u64>, BypassReason> {
    let [_, a, b, c, d] = *header else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    match length.checked_sub(4) {
        // Lengths are signed.
        Some(payload) if length >> 31 == 0 => Ok(Some(u64::from(payload))),
        _ => Err(BypassReason::Malformed),
    }
}
