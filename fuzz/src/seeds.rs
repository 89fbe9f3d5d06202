//! The conversations with which fuzzing begins, by target. `cargo xtask fuzz` includes this file, too.

/// Whether the client sends it, and the bytes.
type Step = (bool, &'static [u8]);

/// The conversation of a fuzz target.
pub struct Seed {
    /// The name of the target.
    pub target: &'static str,
    steps: &'static [Step],
}

impl Seed {
    /// The conversation, and each of its steps alone.
    pub fn inputs(&self) -> impl Iterator<Item = Vec<u8>> {
        let singles = self.steps.chunks(1);
        singles.chain([self.steps]).map(write_steps)
    }
}

/// Writes a conversation as the targets read it.
pub fn write_steps(steps: &[(bool, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (is_client, bytes) in steps {
        for piece in bytes.chunks(127) {
            let length = u8::try_from(piece.len()).unwrap_or(0) << 1;
            data.push(length | u8::from(!is_client));
            data.extend(piece);
        }
    }
    data
}

/// One of each target.
pub const SEEDS: [Seed; 9] = [
    Seed {
        target: "postgresql",
        steps: &[
        (true, b"\0\0\0\x12\0\x03\0\0user\0app\0\0"),
        (false, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"),
        (true, b"Q\0\0\0\x0dLISTEN a\0"),
        (false, b"C\0\0\0\x0bLISTEN\0Z\0\0\0\x05I"),
        (true, b"P\0\0\0\x12s\0SELECT $1\0\0\0B\0\0\0\x0d\0s\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04"),
        (false, b"1\0\0\0\x042\0\0\0\x04D\0\0\0\x0b\0\x01\0\0\0\x01aC\0\0\0\x0dSELECT 1\0Z\0\0\0\x05T"),
        (true, b"Q\0\0\0\x16COPY a FROM STDIN\0"),
        (false, b"G\0\0\0\x07\0\0\0"),
        ],
    },
    Seed {
        target: "mysql",
        steps: &[
        (false, b"\x30\0\0\0\x0a8.0\0\x07\0\0\0\x01\x01\x01\x01\x01\x01\x01\x01\0\xff\xf7\x08\x02\0\x0f\x81\x15\0\0\0\0\0\0\x1d\0\0\0\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\0"),
        (true, b"\x26\0\0\x01\x0d\xa2\x0f\x01\0\0\0\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0app\0\0\0"),
        (false, b"\x07\0\0\x02\0\0\0\x02\0\0\0"),
        (true, b"\x09\0\0\0\x03SELECT 1"),
        (false, b"\x01\0\0\x01\x01\x04\0\0\x02\x03def\x02\0\0\x03\x011\x07\0\0\x04\xfe\0\0\x03\0\0\0"),
        (true, b"\x09\0\0\0\x16SELECT ?"),
        (false, b"\x0c\0\0\x01\0\x01\0\0\0\x01\0\x01\0\0\0\0\x04\0\0\x02\x03def\x04\0\0\x03\x03def"),
        (true, b"\x0a\0\0\0\x17\x01\0\0\0\x01\x01\0\0\0"),
        (false, b"\x01\0\0\x01\x01\x04\0\0\x02\x03def\x07\0\0\x03\xfe\0\0\x42\0\0\0"),
        (false, b"\x02\0\0\x01\xfba"),
        ],
    },
    Seed {
        target: "redis",
        steps: &[
        (true, b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"),
        (false, b"%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n"),
        (true, b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"),
        (false, b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
        (
            true,
            b"*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*1\r\n$4\r\nEXEC\r\n",
        ),
        (false, b"+OK\r\n+QUEUED\r\n*1\r\n:1\r\n"),
        (true, b"PING\r\n"),
        (false, b"|1\r\n+a\r\n:1\r\n$-1\r\n"),
        (true, b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n"),
        ],
    },
    Seed {
        target: "nats",
        steps: &[
        (false, b"INFO {\"server_id\":\"a\"}\r\n"),
        (true, b"CONNECT {\"verbose\":true}\r\nPING\r\n"),
        (false, b"+OK\r\nPONG\r\n"),
        (
            true,
            b"SUB _INBOX.a.* 1\r\nPUB prices _INBOX.a.1 1\r\n?\r\n",
        ),
        (false, b"+OK\r\n+OK\r\nMSG _INBOX.a.1 1 2\r\n42\r\n"),
        (false, b"HMSG a 1 b.c 12 14\r\nNATS/1.0\r\n\r\nab\r\n"),
        (true, b"HPUB b.c 12 14\r\nNATS/1.0\r\n\r\nab\r\n"),
        (false, b"PING\r\n-ERR 'a'\r\n"),
        ],
    },
    Seed {
        target: "mqtt",
        steps: &[
        (
            true,
            b"\x10\x13\0\x04MQTT\x05\0\0\x3c\x05\x11\0\0\0\x3c\0\x01a",
        ),
        (false, b"\x20\x03\0\0\0"),
        (true, b"\x82\x07\0\x01\0\0\x01a\x01"),
        (false, b"\x90\x04\0\x01\0\x01"),
        (true, b"\x34\x07\0\x01a\0\x02\0b"),
        (false, b"\x50\x02\0\x02"),
        (true, b"\x62\x02\0\x02\xc0\0"),
        (false, b"\x70\x02\0\x02\xd0\0\x32\x07\0\x01a\0\x01\0b"),
        (true, b"\x40\x02\0\x01\xe0\0"),
        ],
    },
    Seed {
        target: "amqp",
        steps: &[
        (true, b"AMQP\0\0\x09\x01"),
        (false, b"\x01\0\0\0\0\0\x05\0\x0a\0\x29\0\xce"),
        (true, b"\x01\0\x01\0\0\0\x05\0\x14\0\x0a\0\xce\x01\0\x01\0\0\0\x05\0\x55\0\x0a\0\xce"),
        (false, b"\x01\0\x01\0\0\0\x08\0\x14\0\x0b\0\0\0\0\xce\x01\0\x01\0\0\0\x04\0\x55\0\x0b\xce"),
        (true, b"\x01\0\x01\0\0\0\x09\0\x3c\0\x28\0\0\0\0\0\xce\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\x03\0\0\xce\x03\0\x01\0\0\0\x03abc\xce"),
        (false, b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0\x01\0\xce"),
        (true, b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x14\0\0\0\0\0\0\0\0\0\0\xce"),
        (false, b"\x01\0\x01\0\0\0\x11\0\x3c\0\x3c\x01a\0\0\0\0\0\0\0\x01\0\0\0\xce"),
        ],
    },
    Seed {
        target: "http1",
        steps: &[
        (true, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        (false, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        (true, b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
        (false, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        (true, b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
        (false, b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
        ],
    },
    Seed {
        target: "http2",
        steps: &[
        (true, b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\xff\xff"),
        (false, b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0"),
        (true, b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84"),
        (
            false,
            b"\0\0\x01\x01\x04\0\0\0\x01\x88\0\0\x02\0\x01\0\0\0\x01ok",
        ),
        (
            true,
            b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
        ),
        (false, b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0"),
        ],
    },
    Seed {
        target: "websocket",
        steps: &[
        (true, b"\x81\x82\x01\x02\x03\x04ab"),
        (false, b"\x01\x01a\x89\0\x80\x01b"),
        (true, b"\x8a\x80\x01\x02\x03\x04"),
        (false, b"\x82\x7e\0\x80"),
        (false, b"\x88\x02\x03\xe9"),
        (true, b"\x88\x82\x01\x02\x03\x04\x02\xeb"),
        ],
    },
];
