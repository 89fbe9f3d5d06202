//! Header maps: ordered, with keys in lower case, as in Envoy.

/// The fields that Envoy keeps as one value: adding to them appends after a comma.
const INLINE: &[&str] = &[
    ":authority",
    ":method",
    ":path",
    ":scheme",
    ":status",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// The fields that the HTTP connection manager removes from a response after the filter chain.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
];

/// Headers or trailers of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderMap {
    pairs: Vec<(String, Vec<u8>)>,
}

impl HeaderMap {
    pub(crate) fn from_pairs<V: AsRef<[u8]>>(pairs: &[(&str, V)]) -> Self {
        let mut map = Self::default();
        for (name, value) in pairs {
            map.add(name, value.as_ref());
        }
        map
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// The first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let name = name.to_ascii_lowercase();
        self.pairs
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_slice())
    }

    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        let name = name.to_ascii_lowercase();
        let inline = INLINE.contains(&name.as_str());
        match self
            .pairs
            .iter_mut()
            .find(|(key, _)| inline && *key == name)
        {
            Some((_, held)) => {
                held.push(b',');
                held.extend_from_slice(value);
            }
            None => self.pairs.push((name, value.to_vec())),
        }
    }

    pub(crate) fn replace(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        self.pairs.retain(|(key, _)| *key != name);
    }

    /// The fields that the codec writes: without hop-by-hop fields.
    pub(crate) fn without_hop_by_hop(&self) -> Self {
        let upgrade = self.get("upgrade").is_some();
        let stays = |name: &str| !HOP_BY_HOP.contains(&name) || (upgrade && name == "connection");
        Self {
            pairs: self
                .pairs
                .iter()
                .filter(|(name, _)| stays(name))
                .cloned()
                .collect(),
        }
    }

    /// The pairs as text, for a test to compare.
    pub(crate) fn to_text(&self) -> Vec<(String, String)> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        self.pairs
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }

    /// The sum of the lengths of names and values.
    pub(crate) fn byte_size(&self) -> usize {
        self.pairs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }

    /// The wire form of the ABI: count, then both lengths of each pair, then NUL-ended names and values.
    /// No pairs are no bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        if self.pairs.is_empty() {
            return Vec::new();
        }
        let size = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
        let mut out = (self.pairs.len() as u32).to_le_bytes().to_vec();
        for (name, value) in &self.pairs {
            out.extend(size(name.as_bytes()));
            out.extend(size(value));
        }
        for (name, value) in &self.pairs {
            out.extend_from_slice(name.as_bytes());
            out.push(0);
            out.extend_from_slice(value);
            out.push(0);
        }
        out
    }

    /// Reads the wire form. Bytes that are not of it are no pairs, as in Envoy.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        Self::try_decode(bytes).unwrap_or_default()
    }

    fn try_decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let four = bytes.get(at..at.checked_add(4)?)?;
            Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
        };
        let count = number(0).filter(|count| *count <= 1024)?;
        let mut at = 4 + count * 8;
        let mut text = |len: usize| {
            let end = at.checked_add(len)?;
            let part = bytes.get(at..end)?;
            at = end + 1;
            (bytes.get(end) == Some(&0)).then_some(part)
        };
        let mut map = Self::default();
        for index in 0..count {
            let name = text(number(4 + index * 8)?)?;
            let value = text(number(8 + index * 8)?)?;
            map.add(&String::from_utf8_lossy(name), value);
        }
        (at == bytes.len()).then_some(map)
    }
}
