//! Messages for tests, built field by field.

/// An HTTP/1 message.
#[derive(Clone, Debug)]
pub struct Message {
    start: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

pub fn request(method: &str, target: &str) -> Message {
    start(format!("{method} {target} HTTP/1.1")).field("host", "shop.example")
}

pub fn get() -> Message {
    request("GET", "/")
}

pub fn post() -> Message {
    request("POST", "/orders?kind=new")
}

pub fn response(status: u16) -> Message {
    start(format!("HTTP/1.1 {status} Some Reason"))
}

/// A response with a body of two bytes.
pub fn ok() -> Message {
    response(200).sized(b"ok")
}

/// A head that begins with any line.
pub fn start(line: impl Into<String>) -> Message {
    Message {
        start: line.into(),
        fields: Vec::new(),
        body: Vec::new(),
    }
}

impl Message {
    pub fn http_1_0(mut self) -> Self {
        self.start = self.start.replace("HTTP/1.1", "HTTP/1.0");
        self
    }

    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// A body with its `content-length`.
    pub fn sized(self, body: &[u8]) -> Self {
        let length = body.len().to_string();
        self.field("content-length", &length).unsized_body(body)
    }

    /// A body without a framing field.
    pub fn unsized_body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// A chunked body with its `transfer-encoding`.
    pub fn chunked(self, chunks: &Chunks) -> Self {
        self.field("transfer-encoding", "chunked")
            .unsized_body(&chunks.bytes())
    }

    pub fn head(&self) -> Vec<u8> {
        let fields: String = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!("{}\r\n{fields}\r\n", self.start).into_bytes()
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub fn bytes(&self) -> Vec<u8> {
        [&self.head()[..], &self.body].concat()
    }
}

/// A chunked body.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    chunks: Vec<u8>,
    trailers: String,
}

pub fn chunks() -> Chunks {
    Chunks::default()
}

impl Chunks {
    pub fn chunk(self, data: &[u8]) -> Self {
        self.chunk_with("", data)
    }

    /// A chunk with an extension.
    pub fn chunk_with(mut self, extension: &str, data: &[u8]) -> Self {
        self.chunks
            .extend(format!("{:x}{extension}\r\n", data.len()).bytes());
        self.chunks.extend_from_slice(data);
        self.chunks.extend_from_slice(b"\r\n");
        self
    }

    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers += &format!("{name}: {value}\r\n");
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        [
            &self.chunks[..],
            b"0\r\n",
            self.trailers.as_bytes(),
            b"\r\n",
        ]
        .concat()
    }
}
