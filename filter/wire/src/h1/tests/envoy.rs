//! Envoy as the scanner sees it: it makes callbacks in its order, hands over again what it has not taken, and cuts the
//! bytes as the test requires.
use super::{BypassReason, Http1Scanner, PersistenceFields, ResponseHead};

/// Where the bytes of a test are cut into callbacks.
#[derive(Clone, Debug)]
pub enum Cut {
    Nowhere,
    /// After this many bytes only.
    At(usize),
    /// Into pieces of these lengths, repeatedly.
    Into(Vec<usize>),
}

impl Cut {
    fn pieces<'a>(&self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut lengths = match self {
            Self::Nowhere => vec![],
            Self::At(at) => vec![*at],
            Self::Into(lengths) => lengths.iter().copied().cycle().take(bytes.len()).collect(),
        };
        lengths.push(bytes.len());
        let mut rest = bytes;
        let mut pieces = Vec::new();
        for length in lengths {
            let (piece, more) = rest.split_at(length.min(rest.len()));
            if !piece.is_empty() {
                pieces.push(piece);
            }
            rest = more;
        }
        pieces
    }
}

/// A scanner, and the bytes in Envoy's buffer.
pub struct Envoy {
    pub connection: Http1Scanner,
    cut: Cut,
    /// Bytes of the client that Envoy has not taken.
    buffer: Vec<u8>,
    /// The length of the longest callback, which bounds the useful cuts.
    longest: usize,
}

impl Envoy {
    pub fn new(cut: Cut) -> Self {
        Self {
            connection: Http1Scanner::default(),
            cut,
            buffer: Vec::new(),
            longest: 0,
        }
    }

    /// The client sends bytes, all of which Envoy takes.
    pub fn client(&mut self, bytes: &[u8]) -> Result<(), BypassReason> {
        self.client_pipelined(bytes, b"")
    }

    /// The client sends `taken`, which Envoy takes, and `pipelined`, which stays in its buffer.
    pub fn client_pipelined(&mut self, taken: &[u8], pipelined: &[u8]) -> Result<(), BypassReason> {
        let bytes = [taken, pipelined].concat();
        self.longest = self.longest.max(bytes.len());
        let mut takes = taken.len();
        for piece in self.cut.pieces(&bytes) {
            self.buffer.extend_from_slice(piece);
            self.connection.scan_downstream(&mut &self.buffer[..])?;
            let now = takes.min(self.buffer.len());
            self.buffer.drain(..now);
            takes -= now;
        }
        Ok(())
    }

    /// Envoy hands over its buffer again, and takes this many bytes of it.
    pub fn resume(&mut self, takes: usize) -> Result<(), BypassReason> {
        self.connection.scan_downstream(&mut &self.buffer[..])?;
        self.buffer.drain(..takes);
        Ok(())
    }

    /// Envoy takes this many bytes of its buffer without a callback.
    pub fn take_without_callback(&mut self, bytes: usize) {
        self.buffer.drain(..bytes);
    }

    /// Envoy takes its whole buffer without a callback.
    pub fn take_all_without_callback(&mut self) {
        self.buffer.clear();
    }

    /// Requests since the connection opened, and active ones.
    pub fn counts(&self) -> (u64, u32) {
        (self.connection.requests(), self.connection.active())
    }

    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Envoy writes to the client. The offsets in the heads are relative to `bytes`, even for a head whose last line is
    /// cut.
    pub fn server(&mut self, bytes: &[u8]) -> Result<Vec<ResponseHead>, BypassReason> {
        self.longest = self.longest.max(bytes.len());
        let mut heads = Vec::new();
        let mut start = 0;
        for piece in self.cut.pieces(bytes) {
            if let Some(mut head) = self.connection.scan_upstream(&mut { piece })? {
                let blank_line = match head.insert_at {
                    Some(at) => start + at,
                    None => start - 1,
                };
                assert_eq!(
                    bytes[..blank_line + 2].split_at(blank_line - 2).1,
                    b"\r\n\r\n"
                );
                head.insert_at = Some(blank_line);
                // These depend on the cut and are tested in `persistence`.
                head.persistence = Some(PersistenceFields::default());
                heads.push(head);
            }
            start += piece.len();
        }
        // Envoy ends a response with an empty write.
        assert_eq!(self.connection.scan_upstream(&mut &b""[..])?, None);
        Ok(heads)
    }
}

/// Runs a test without cuts, with one cut at every offset, and with single bytes.
pub fn for_every_cut(test: impl Fn(&mut Envoy)) {
    let mut uncut = Envoy::new(Cut::Nowhere);
    test(&mut uncut);
    test(&mut Envoy::new(Cut::Into(vec![1])));
    for at in 1..uncut.longest {
        test(&mut Envoy::new(Cut::At(at)));
    }
}
