//! What Envoy does with a connection's bytes, for tests: callbacks in its order, bytes that it has not
//! taken handed over again, and every piece cut where the test says.
use super::{BypassReason, Http1Scanner, PersistenceFields, ResponseHead};

/// Where the bytes that a story hands over are cut into callbacks.
#[derive(Clone, Debug)]
pub enum Cut {
    Nowhere,
    /// After so many bytes, and there only.
    At(usize),
    /// After pieces of these lengths, over and over.
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

/// A connection and what Envoy holds of it.
pub struct Envoy {
    pub connection: Http1Scanner,
    cut: Cut,
    /// Bytes of the client that Envoy has not taken.
    held: Vec<u8>,
    /// The longest stretch that was handed over: where it pays to cut.
    longest: usize,
}

impl Envoy {
    pub fn new(cut: Cut) -> Self {
        Self {
            connection: Http1Scanner::default(),
            cut,
            held: Vec::new(),
            longest: 0,
        }
    }

    /// The client sends bytes and Envoy takes them all.
    pub fn client(&mut self, bytes: &[u8]) -> Result<(), BypassReason> {
        self.client_ahead(bytes, b"")
    }

    /// The client sends `taken`, which Envoy takes, and `ahead`, which waits in its buffer.
    pub fn client_ahead(&mut self, taken: &[u8], ahead: &[u8]) -> Result<(), BypassReason> {
        let bytes = [taken, ahead].concat();
        self.longest = self.longest.max(bytes.len());
        let mut takes = taken.len();
        for piece in self.cut.pieces(&bytes) {
            self.held.extend_from_slice(piece);
            self.connection.scan_downstream(&mut &self.held[..])?;
            let now = takes.min(self.held.len());
            self.held.drain(..now);
            takes -= now;
        }
        Ok(())
    }

    /// Envoy looks again at what it holds, and takes so many bytes of it.
    pub fn resume(&mut self, takes: usize) -> Result<(), BypassReason> {
        self.connection.scan_downstream(&mut &self.held[..])?;
        self.held.drain(..takes);
        Ok(())
    }

    /// Envoy takes so many bytes of what it holds without asking the filters again.
    pub fn takes(&mut self, bytes: usize) {
        self.held.drain(..bytes);
    }

    /// Envoy takes all bytes that it holds without asking the filters again.
    pub fn takes_in_its_own_loop(&mut self) {
        self.held.clear();
    }

    pub fn holds(&self) -> usize {
        self.held.len()
    }

    /// Envoy writes to the client. The offsets in the heads are those in all of `bytes`; a head whose last
    /// line is cut in two has the one that it would have had.
    pub fn server(&mut self, bytes: &[u8]) -> Result<Vec<ResponseHead>, BypassReason> {
        self.longest = self.longest.max(bytes.len());
        let mut heads = Vec::new();
        let mut start = 0;
        for piece in self.cut.pieces(bytes) {
            for mut head in self.connection.scan_upstream(&mut { piece })? {
                let blank_line = match head.insert_at {
                    Some(at) => start + at,
                    None => start - 1,
                };
                assert_eq!(
                    bytes[..blank_line + 2].split_at(blank_line - 2).1,
                    b"\r\n\r\n"
                );
                head.insert_at = Some(blank_line);
                // Where these are depends on the cut: `persistence` has tests of its own.
                head.persistence = Some(PersistenceFields::default());
                heads.push(head);
            }
            start += piece.len();
        }
        // Envoy ends an answer by an empty write.
        assert_eq!(self.connection.scan_upstream(&mut &b""[..])?, []);
        Ok(heads)
    }
}

/// Tells a story uncut, cut at every one place, and cut into single bytes.
pub fn tell(story: impl Fn(&mut Envoy)) {
    let mut uncut = Envoy::new(Cut::Nowhere);
    story(&mut uncut);
    story(&mut Envoy::new(Cut::Into(vec![1])));
    for at in 1..uncut.longest {
        story(&mut Envoy::new(Cut::At(at)));
    }
}
