//! Conversations between a client and a server, and the state of the session however their bytes are split.

use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{
    MAX_STATE_BYTES, PinReason, Session, SessionState, Side, TcpProtocol, UnsafeReason,
};

pub fn send(session: &mut Session, side: Side, mut bytes: &[u8]) {
    match side {
        Side::Client => session.client(&mut bytes),
        Side::Server => session.server(&mut bytes),
    }
}

/// A conversation so far. Each check also splits each of its steps at every byte, and expects the same state.
#[derive(Clone)]
pub struct Conversation {
    protocol: TcpProtocol,
    steps: Vec<(Side, Vec<u8>)>,
}

impl Conversation {
    pub fn new(protocol: TcpProtocol) -> Self {
        Self {
            protocol,
            steps: Vec::new(),
        }
    }

    pub fn client(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.steps.push((Side::Client, bytes.as_ref().to_vec()));
        self
    }

    pub fn server(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.steps.push((Side::Server, bytes.as_ref().to_vec()));
        self
    }

    /// The state after all steps, each split at the offset that `split` returns.
    fn state(&self, split: impl Fn(usize, &[u8]) -> usize) -> SessionState {
        let mut session = Session::new(self.protocol);
        for (index, (side, bytes)) in self.steps.iter().enumerate() {
            let at = split(index, bytes);
            send(&mut session, *side, &bytes[..at]);
            send(&mut session, *side, &bytes[at..]);
            assert!(session.state_bytes() <= MAX_STATE_BYTES);
        }
        session.state()
    }

    fn state_byte_by_byte(&self) -> SessionState {
        let mut session = Session::new(self.protocol);
        for (side, bytes) in &self.steps {
            for byte in bytes {
                send(&mut session, *side, &[*byte]);
                send(&mut session, *side, &[]);
            }
        }
        session.state()
    }

    #[track_caller]
    pub fn is(&mut self, expected: SessionState) -> &mut Self {
        assert_eq!(self.state(|_, _| 0), expected);
        assert_eq!(self.state_byte_by_byte(), expected, "byte by byte");
        // Long payloads are split near their ends only: the bytes between are skipped anyway.
        for (step, (_, bytes)) in self.steps.iter().enumerate() {
            let ends = bytes.len().min(300);
            for at in (0..ends).chain(bytes.len() - ends..bytes.len()) {
                let state = self.state(|index, _| if index == step { at } else { 0 });
                assert_eq!(state, expected, "step {step} split at {at}");
            }
        }
        self
    }

    #[track_caller]
    pub fn is_unsafe(&mut self, reason: UnsafeReason) -> &mut Self {
        self.is(SessionState::Unsafe(reason))
    }

    #[track_caller]
    pub fn is_pinned(&mut self, reason: PinReason) -> &mut Self {
        self.is(SessionState::Pinned(reason))
    }

    #[track_caller]
    pub fn is_bypassed(&mut self, reason: BypassReason) -> &mut Self {
        self.is(SessionState::Bypassed(reason))
    }

    #[track_caller]
    pub fn is_safe_when_idle(&mut self) -> &mut Self {
        self.is(SessionState::SafeWhenIdle)
    }

    #[track_caller]
    pub fn is_safe(&mut self) -> &mut Self {
        self.is(SessionState::Safe)
    }
}
