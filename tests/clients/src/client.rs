//! The clients. Each is a line here and a program in its language's folder.

use anyhow::{Result, bail};

use crate::h2load;
use crate::language::{Language, ruby};
use crate::via::Via;

/// One client over one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The name on the command line and in tables: library and protocol.
    pub name: &'static str,
    /// The language of its program.
    pub language: Language,
    /// The program, as [`Language::program`] knows it.
    pub program: &'static str,
    /// The protocol between the client and the site.
    pub protocol: Protocol,
    /// The proxy between the program and the site, which then is the client.
    pub via: Option<Via>,
    /// The fingerprint by which the module recognizes it before its first request
    /// (`evenkeel_wire::h2::KNOWN_CLIENTS`); None where it does not speak HTTP/2.
    pub fingerprint: Option<&'static str>,
    /// Another release or another setting of a library that is in the matrix already: where time is short, it is
    /// sent fewer patterns.
    pub variant: bool,
}

/// A protocol, in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113, section 3.3).
    Http2,
    /// gRPC, over HTTP/2.
    Grpc,
    /// WebSocket, over HTTP/1.1.
    WebSocket,
}

impl Protocol {
    /// The name in the contract and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
            Self::Grpc => "grpc",
            Self::WebSocket => "ws",
        }
    }
}

const fn h1(name: &'static str, language: Language, program: &'static str) -> Client {
    Client {
        name,
        language,
        program,
        protocol: Protocol::Http1,
        via: None,
        fingerprint: None,
        variant: false,
    }
}

const fn h2(
    name: &'static str,
    language: Language,
    program: &'static str,
    fingerprint: &'static str,
) -> Client {
    Client {
        protocol: Protocol::Http2,
        fingerprint: Some(fingerprint),
        ..h1(name, language, program)
    }
}

const fn grpc(
    name: &'static str,
    language: Language,
    program: &'static str,
    fingerprint: &'static str,
) -> Client {
    Client {
        protocol: Protocol::Grpc,
        ..h2(name, language, program, fingerprint)
    }
}

const fn ws(name: &'static str, language: Language, program: &'static str) -> Client {
    Client {
        protocol: Protocol::WebSocket,
        ..h1(name, language, program)
    }
}

/// A proxy as the client. The program that drives it speaks HTTP/1 to it.
const fn proxy(client: Client, via: Via) -> Client {
    Client {
        via: Some(via),
        ..client
    }
}

const fn variant(client: Client) -> Client {
    Client {
        variant: true,
        ..client
    }
}

impl Client {
    /// Every client, in the order in which they run.
    pub const ALL: &[Self] = {
        use Language::{Go, Java, Node, Python, Ruby, Rust};
        &[
            proxy(h1("envoy-h1", Rust, "reqwest"), Via::Envoy),
            proxy(h1("envoy-retry-h1", Rust, "reqwest"), Via::EnvoyRetrying),
            proxy(h2("envoy-h2", Rust, "reqwest", "envoy"), Via::Envoy),
            proxy(
                h2("envoy-retry-h2", Rust, "reqwest", "envoy"),
                Via::EnvoyRetrying,
            ),
            h1("go-h1", Go, "nethttp"),
            h2("go-h2", Go, "nethttp", "go"),
            variant(h2("go-tuned-h2", Go, "nethttp+tuned", "go")),
            variant(h2("go-reverseproxy-h2", Go, "reverseproxy", "go")),
            grpc("grpc-go", Go, "grpcgo", "grpc-go"),
            variant(grpc("grpc-go-tuned", Go, "grpcgo+tuned", "grpc-go")),
            ws("ws-go", Go, "websocket"),
            h1("jdk-h1", Java, "Jdk"),
            h2("jdk-h2", Java, "Jdk", "jdk_httpclient5"),
            h1("jdk25-h1", Java, "Jdk@25.0.2.1"),
            h2("jdk25-h2", Java, "Jdk@25.0.2.1", "jdk_httpclient5"),
            // Releases of before October 2024 send five settings, those after it six.
            variant(h2("jdk11-h2", Java, "Jdk@11.0.13.1", "jdk_httpclient5")),
            variant(h2("jdk17-old-h2", Java, "Jdk@17.0.9.2", "jdk_httpclient5")),
            variant(h2("jdk21-old-h2", Java, "Jdk@21.0.4.2", "jdk_httpclient5")),
            variant(h2("jdk21-h2", Java, "Jdk@21.0.8.2", "jdk_httpclient5")),
            variant(h2(
                "jdk11-tuned-h2",
                Java,
                "Jdk@11.0.13.1+tuned",
                "jdk_httpclient5",
            )),
            variant(h2(
                "jdk17-old-tuned-h2",
                Java,
                "Jdk@17.0.9.2+tuned",
                "jdk_httpclient5",
            )),
            variant(h2("jdk17-tuned-h2", Java, "Jdk+tuned", "jdk_httpclient5")),
            variant(h2(
                "jdk21-tuned-h2",
                Java,
                "Jdk@21.0.8.2+tuned",
                "jdk_httpclient5",
            )),
            variant(h2(
                "jdk25-tuned-h2",
                Java,
                "Jdk@25.0.2.1+tuned",
                "jdk_httpclient5",
            )),
            h1("okhttp-h1", Java, "OkHttp"),
            h2("okhttp-h2", Java, "OkHttp", "okhttp"),
            h2("httpclient5-h2", Java, "HttpClient5", "jdk_httpclient5"),
            h2("vertx-h2", Java, "VertxWeb", "ambiguous"),
            h2("armeria-h2", Java, "Armeria", "netty"),
            grpc("grpc-java", Java, "GrpcJava", "grpc-java"),
            variant(grpc("grpc-java-tuned", Java, "GrpcJava+tuned", "grpc-java")),
            h1("undici7-h1", Node, "undici7"),
            h2("undici7-h2", Node, "undici7", "undici"),
            variant(h2("undici7-old-h2", Node, "undici710", "ambiguous")),
            variant(h2("undici7-tuned-h2", Node, "undici7+tuned", "undici")),
            h1("undici8-h1", Node, "undici8"),
            h2("undici8-h2", Node, "undici8", "undici"),
            variant(h2("undici8-tuned-h2", Node, "undici8+tuned", "undici")),
            h1("node-h1", Node, "http"),
            h2("node-h2", Node, "http2", "node"),
            variant(h2("node-tuned-h2", Node, "http2+tuned", "ambiguous")),
            variant(h2("node-busy-h2", Node, "busy", "node")),
            variant(h2("http2-wrapper-h2", Node, "http2wrapper", "undici")),
            variant(h2("got-h2", Node, "got", "node")),
            grpc("grpc-js", Node, "grpc", "grpc-js"),
            ws("ws-node", Node, "ws"),
            h1("requests-h1", Python, "requests_client"),
            h1("httpx-h1", Python, "httpx_client"),
            h2("httpx-h2", Python, "httpx_async_client", "httpx"),
            h1("aiohttp-h1", Python, "aiohttp_client"),
            grpc("grpc-python", Python, "grpcio_client", "grpcio"),
            variant(grpc(
                "grpc-python-tuned",
                Python,
                "grpcio_client+tuned",
                "grpcio",
            )),
            grpc("grpclib", Python, "grpclib_client", "python-h2"),
            ws("ws-python", Python, "websockets_client"),
            h1("async-http-h1", Ruby, "async_http"),
            h2("async-http-h2", Ruby, "async_http", "async-http"),
            h1("reqwest-h1", Rust, "reqwest"),
            h2("reqwest-h2", Rust, "reqwest", "reqwest_hyper"),
            variant(h2("reqwest-tuned-h2", Rust, "reqwest+tuned", "ambiguous")),
            variant(h2("reqwest011-h2", Rust, "reqwest011", "reqwest_hyper")),
            variant(h2(
                "reqwest011-tuned-h2",
                Rust,
                "reqwest011+tuned",
                "reqwest_hyper",
            )),
            h1("hyper-h1", Rust, "hyper"),
            h2("hyper-h2", Rust, "hyper", "reqwest_hyper"),
            variant(h2("hyper-tuned-h2", Rust, "hyper+tuned", "ambiguous")),
            variant(h2("hyper014-h2", Rust, "hyper014", "reqwest_hyper")),
            variant(h2(
                "hyper014-tuned-h2",
                Rust,
                "hyper014+tuned",
                "reqwest_hyper",
            )),
            grpc("tonic", Rust, "tonic", "tonic"),
            variant(grpc("tonic-tuned", Rust, "tonic+tuned", "ambiguous")),
            variant(grpc("tonic011", Rust, "tonic011", "tonic")),
            variant(grpc("tonic011-tuned", Rust, "tonic011+tuned", "tonic")),
            h1("curl-h1", Python, "curl_client"),
            h2("curl-h2", Python, "curl_client", "curl"),
            h1("h2load-h1", Python, "h2load_client"),
            h2("h2load-h2", Python, "h2load_client", "unknown"),
            proxy(h1("nginx-h1", Rust, "reqwest"), Via::Nginx),
            proxy(grpc("nginx-grpc", Go, "grpcgo", "ambiguous"), Via::Nginx),
        ]
    };

    /// The clients of these names; `httpx` is short for `httpx-h1` and `httpx-h2`. No name means all.
    ///
    /// # Errors
    /// When there is no such client; lists the known ones.
    pub fn named(names: &[String]) -> Result<Vec<Self>> {
        let is = |client: &Self, name: &str| {
            client
                .name
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        for name in names {
            if !Self::ALL.iter().any(|client| is(client, name)) {
                let known: Vec<_> = Self::ALL.iter().map(|client| client.name).collect();
                bail!("no client {name}; there are {}", known.join(", "));
            }
        }
        let wanted = |client: &&Self| names.is_empty() || names.iter().any(|name| is(client, name));
        Ok(Self::ALL.iter().filter(wanted).copied().collect())
    }

    /// What it needs beside its language and is not available; None when it can run.
    pub fn missing(&self) -> Option<String> {
        match self.program {
            "h2load_client" => h2load::missing(),
            "async_http" => ruby::missing(),
            _ => self.via.and_then(Via::missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Result<Vec<&'static str>> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        Ok(Client::named(&names)?
            .iter()
            .map(|client| client.name)
            .collect())
    }

    #[test]
    fn library_names_all_of_its_protocols() {
        assert_eq!(
            named(&["httpx", "go-h2"]).unwrap(),
            ["go-h2", "httpx-h1", "httpx-h2"]
        );
        assert_eq!(named(&[]).unwrap().len(), Client::ALL.len());
    }

    #[test]
    fn unknown_name_lists_the_known_ones() {
        let error = named(&["httpx-h"]).unwrap_err().to_string();

        assert!(error.contains("no client httpx-h;"), "{error}");
        assert!(error.contains("curl-h2"), "{error}");
    }
}
