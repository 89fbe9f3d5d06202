//! nginx as a proxy that drains connections by its own limits, and as a client of the site.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::Result;

use crate::client::Protocol;
use crate::recycle::Recycle;
use evenkeel_test_tools::debian::{self, Daemon};

/// nginx with two workers. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Nginx {
    _daemon: Daemon,
    http1: SocketAddr,
    http2: SocketAddr,
}

/// Returns what is missing on this machine.
pub(crate) fn missing() -> Option<String> {
    static MISSING: LazyLock<Option<String>> = LazyLock::new(|| debian::missing("nginx", "nginx"));
    MISSING.clone()
}

impl Nginx {
    /// Starts it in front of `backend`, to which its connections are kept alive. It drains those of its clients with default
    /// settings except for the limit.
    pub(crate) async fn server(backend: SocketAddr, recycle: Recycle) -> Result<Self> {
        let limit = match recycle {
            Recycle::Requests => "keepalive_requests 2;",
            // nginx has no jitter, so this is the mean age. The first request after it is the last of a connection.
            Recycle::Age => "keepalive_time 200ms; keepalive_requests 1000000000;",
        };
        // Forward responses without buffering.
        let passing = "proxy_buffering off; proxy_request_buffering off;";
        Self::start(backend, &format!("{limit} {passing}"), HTTP1).await
    }

    /// Starts it as a client of `site`, over HTTP/1.1 or with the gRPC module over HTTP/2, with keep-alive. It closes
    /// no connection of the program in front of it; other settings are the defaults.
    pub(crate) async fn client(site: SocketAddr, protocol: Protocol) -> Result<Self> {
        let settings = "keepalive_time 1d; keepalive_requests 1000000000;";
        let pass = match protocol {
            Protocol::Http1 | Protocol::WebSocket => HTTP1,
            Protocol::Http2 | Protocol::Grpc => "grpc_pass grpc://app;",
        };
        Self::start(site, settings, pass).await
    }

    async fn start(upstream: SocketAddr, settings: &str, pass: &str) -> Result<Self> {
        let program = debian::binary("nginx", "nginx")?;
        let configure = |directory: &Path, [http1, http2]: [SocketAddr; 2]| {
            let configuration = configuration(directory, http1, http2, upstream, settings, pass);
            configure(directory, &configuration)
        };
        let (daemon, [http1, http2]) = Daemon::start(&program, configure).await?;
        Ok(Self {
            _daemon: daemon,
            http1,
            http2,
        })
    }

    /// Returns its name and version, `nginx 1.22.1`.
    ///
    /// # Errors
    /// When nginx is missing.
    pub(crate) fn version() -> Result<String> {
        let program = debian::binary("nginx", "nginx")?;
        let output = Command::new(program).arg("-v").output()?;
        let version = String::from_utf8_lossy(&output.stderr).into_owned();
        let name = version.trim().rsplit(' ').next().unwrap_or_default();
        Ok(name.replace('/', " "))
    }

    /// Returns its address for HTTP/1.
    pub(crate) fn address(&self) -> SocketAddr {
        self.http1
    }

    /// Returns its address for HTTP/2 with prior knowledge.
    pub(crate) fn http2_address(&self) -> SocketAddr {
        self.http2
    }
}

fn configure(directory: &Path, configuration: &str) -> Result<(Vec<String>, PathBuf)> {
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration)?;
    let arguments = [
        "-e".to_owned(),
        "stderr".to_owned(),
        "-p".to_owned(),
        directory.display().to_string(),
        "-c".to_owned(),
        file.display().to_string(),
    ];
    // nginx writes it when all sockets listen.
    Ok((arguments.into(), directory.join("nginx.pid")))
}

/// Forwards requests over HTTP/1.1 with keep-alive.
const HTTP1: &str = "proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";";

fn configuration(
    directory: &Path,
    http1: SocketAddr,
    http2: SocketAddr,
    upstream: SocketAddr,
    settings: &str,
    pass: &str,
) -> String {
    let directory = directory.display();
    format!(
        r#"daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/client;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 0;
    {settings}
    upstream app {{ server {upstream}; keepalive 64; }}
    server {{
        listen {http1};
        listen {http2} http2;
        location / {{
            {pass}
        }}
    }}
}}
"#
    )
}
