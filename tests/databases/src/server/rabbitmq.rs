//! RabbitMQ, an AMQP 0-9-1 broker.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use evenkeel_test_tools::debian;

use super::Servers;
use crate::process::{Process, Start};

/// Starts one broker, and the daemon with which Erlang's nodes find each other.
pub(crate) async fn start() -> Result<Servers> {
    let root = debian::unpacked("rabbitmq-server")?;
    let erlang = root.join("usr/lib/erlang");
    let (names, [epmd]) = Process::start(|_, [address]| {
        let runtime = versioned(&erlang, "erts-")?;
        let mut command = Command::new(runtime.join("bin/epmd"));
        command
            .args(["-address", "127.0.0.1", "-port"])
            .arg(address.port().to_string());
        Ok(Start {
            command,
            address,
            signal: "KILL",
        })
    })
    .await?;
    let (process, [address, _]) = Process::start(|directory, [address, distribution]| {
        let command = broker(&root, directory, epmd, address, distribution)?;
        Ok(Start {
            command,
            address,
            signal: "KILL",
        })
    })
    .await?;
    let mut servers = Servers::new(vec![(process, address)]);
    servers.processes.push(names);
    Ok(servers)
}

fn broker(
    root: &Path,
    directory: &Path,
    epmd: SocketAddr,
    address: SocketAddr,
    distribution: SocketAddr,
) -> Result<Command> {
    let erlang = root.join("usr/lib/erlang");
    write_erl(&erlang, directory)?;
    let plugins = directory.join("plugins");
    fs::write(&plugins, "[].\n")?;
    let server = versioned(&root.join("usr/lib/rabbitmq/lib"), "rabbitmq_server-")?;
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(
        [directory.to_owned()]
            .into_iter()
            .chain(env::split_paths(&path)),
    )?;
    let mut command = Command::new(server.join("sbin/rabbitmq-server"));
    command
        .arg("-noinput")
        .env("PATH", path)
        .env("LD_LIBRARY_PATH", debian::library_path(root)?)
        .env("HOME", directory)
        // The script becomes the server instead of a parent that must forward signals.
        .env("RABBITMQ_ALLOW_INPUT", "1")
        .env("RABBITMQ_NODENAME", "test@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", address.ip().to_string())
        .env("RABBITMQ_NODE_PORT", address.port().to_string())
        .env("RABBITMQ_DIST_PORT", distribution.port().to_string())
        .env("ERL_EPMD_PORT", epmd.port().to_string())
        .env("ERL_EPMD_ADDRESS", epmd.ip().to_string())
        .env("RABBITMQ_MNESIA_BASE", directory.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", directory.join("logs"))
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
        .env("RABBITMQ_CONF_ENV_FILE", directory.join("none"))
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
        );
    Ok(command)
}

/// Debian's `erl` names the directory where the package would be installed.
fn write_erl(erlang: &Path, directory: &Path) -> Result<()> {
    let runtime = versioned(erlang, "erts-")?;
    let script = format!(
        "#!/bin/sh\nexport ROOTDIR='{}' BINDIR='{1}' EMU=beam PROGNAME=erl\nexec '{1}/erlexec' \"$@\"\n",
        erlang.display(),
        runtime.join("bin").display()
    );
    let file = directory.join("erl");
    fs::write(&file, script)?;
    fs::set_permissions(file, PermissionsExt::from_mode(0o755))?;
    Ok(())
}

/// The entry of `directory` whose name is `prefix` and a version.
fn versioned(directory: &Path, prefix: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    None.with_context(|| format!("no {prefix} in {}", directory.display()))
}
