//! Bytes of further requests that Envoy has not taken yet.
//!
//! Envoy's codec stops at the end of a request until it is answered. What lies behind stays in the
//! connection's buffer and comes again at the front of the next callback, unless Envoy, having answered at
//! once, took it in a loop of its own, which no filter sees.
use super::look;
use crate::source::Window;
use crate::{BypassReason, ByteSource};

const KEPT: usize = 32;

/// How many bytes were left and the first of them, to know them again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leftover {
    len: usize,
    first: [u8; KEPT],
}

impl Leftover {
    /// What lies in `window` from offset `at`.
    pub(super) fn take(
        window: &mut Window<'_, impl ByteSource>,
        at: usize,
    ) -> Result<Self, BypassReason> {
        let len = window.len().saturating_sub(at);
        let mut first = [0; KEPT];
        let mut room = first.get_mut(..len.min(KEPT)).unwrap_or_default();
        let mut at = at;
        while !room.is_empty() {
            let bytes = look(window, at)?;
            let taken = bytes.len().min(room.len());
            let (now, later) = room.split_at_mut_checked(taken).unwrap_or_default();
            now.copy_from_slice(bytes.get(..taken).unwrap_or_default());
            room = later;
            at = at.saturating_add(taken);
        }
        Ok(Self { len, first })
    }

    /// The same bytes are at the front of `window`.
    pub(super) fn is_in(
        &self,
        window: &mut Window<'_, impl ByteSource>,
    ) -> Result<bool, BypassReason> {
        if window.len() < self.len {
            return Ok(false);
        }
        let mut known = self.first();
        let mut at = 0_usize;
        while !known.is_empty() {
            let bytes = look(window, at)?;
            let common = bytes.len().min(known.len());
            if bytes.get(..common) != known.get(..common) {
                return Ok(false);
            }
            known = known.get(common..).unwrap_or_default();
            at = at.saturating_add(common);
        }
        Ok(true)
    }

    /// There are none.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A request has begun in them: they are not merely empty lines, which some send behind a body.
    pub(super) fn begins_request(&self) -> bool {
        self.len > KEPT
            || self
                .first()
                .iter()
                .any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    fn first(&self) -> &[u8] {
        self.first.get(..self.len).unwrap_or(&self.first)
    }
}
