//! The first frames of a client.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use evenkeel_wire::h2::{ClientProfile, FirstFields, Http2Scanner, PREFACE, UNKNOWN};

use crate::h2_support::*;

/// The first frames of a client.
#[derive(Clone, Debug)]
pub struct FirstFrames {
    pub settings: Vec<(u16, u32)>,
    pub window_update: Option<u32>,
    pub first_stream: u32,
    pub is_grpc: bool,
    pub first_fields: FirstFields,
}

pub fn first_frames(settings: &[(u16, u32)], window_update: Option<u32>) -> FirstFrames {
    FirstFrames {
        settings: settings.to_vec(),
        window_update,
        first_stream: 1,
        is_grpc: false,
        first_fields: FirstFields::MethodScheme,
    }
}

impl FirstFrames {
    pub fn first_stream(self, first_stream: u32) -> Self {
        Self {
            first_stream,
            ..self
        }
    }

    pub fn grpc(self) -> Self {
        Self {
            is_grpc: true,
            ..self
        }
    }

    pub fn first_fields(self, first_fields: FirstFields) -> Self {
        Self {
            first_fields,
            ..self
        }
    }

    pub fn preface(&self) -> Vec<u8> {
        let update = self.window_update.map(|bytes| window_update(0, bytes));
        let settings = settings(&self.settings);
        [PREFACE.as_slice(), &settings, &update.unwrap_or_default()].concat()
    }

    pub fn request(&self) -> Vec<u8> {
        if self.is_grpc {
            // Method, scheme and path, each from the static table (RFC 7541 A).
            let pseudo_fields = match self.first_fields {
                FirstFields::MethodOther => [0x83, 0x84, 0x86],
                FirstFields::Other => [0x84, 0x83, 0x86],
                _ => [0x83, 0x86, 0x84],
            };
            // A content type without Huffman coding.
            let block = [&pseudo_fields[..], &[0x5f, 16], b"application/grpc"].concat();
            frame(HEADERS, END_HEADERS, self.first_stream, &block)
        } else {
            get(self.first_stream)
        }
    }

    /// The client that is identified, at the first request and not before.
    pub fn client(&self) -> ClientProfile {
        let mut connection = Http2Scanner::default();
        connection
            .scan_downstream(&mut self.preface().as_slice())
            .unwrap();
        assert_eq!(connection.client(), UNKNOWN);
        assert!(!connection.is_client_identified());
        connection
            .scan_downstream(&mut self.request().as_slice())
            .unwrap();
        assert!(connection.is_client_identified());
        connection.client()
    }
}
