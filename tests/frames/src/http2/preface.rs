use super::{ACK, SETTINGS, WINDOW_UPDATE, frame};

/// The first frames of a client, by which the module recognizes it.
#[derive(Clone, Copy, Debug)]
pub enum ClientPreface {
    /// Go's net/http, which tolerates a GOAWAY with the greatest stream id at any time.
    Go,
    /// Python's httpx, which tolerates only an exact GOAWAY, and none while a stream is open.
    Httpx,
    /// libcurl, which tolerates a GOAWAY with the greatest stream id at any time.
    Curl,
    /// Node's core client, which needs the GOAWAY before the frame that ends the stream.
    Node,
    /// Another client with these settings, and a WINDOW_UPDATE if it sends one.
    Custom(&'static [(u16, u32)], Option<u32>),
}

impl ClientPreface {
    /// Returns the connection preface (RFC 9113 3.4), SETTINGS and WINDOW_UPDATE.
    pub fn bytes(self) -> Vec<u8> {
        let (settings, window_update): (&[(u16, u32)], Option<u32>) = match self {
            Self::Go => (
                &[(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)],
                Some(1_073_741_824),
            ),
            Self::Httpx => (
                &[
                    (1, 4096),
                    (2, 0),
                    (4, 65_535),
                    (5, 16_384),
                    (3, 100),
                    (6, 65_536),
                ],
                Some(16_777_216),
            ),
            Self::Curl => (&[(3, 100), (4, 65_536), (2, 0)], Some(1_048_510_465)),
            Self::Node => (&[], None),
            Self::Custom(settings, window_update) => (settings, window_update),
        };
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &payload));
        if let Some(increment) = window_update {
            bytes.extend(frame(WINDOW_UPDATE, 0, 0, &increment.to_be_bytes()));
        }
        bytes
    }
}

/// Returns the first frames of a server.
pub fn server_preface() -> Vec<u8> {
    [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat()
}
