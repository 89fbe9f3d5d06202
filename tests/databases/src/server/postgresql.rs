//! PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use evenkeel_test_tools::debian;

use super::Servers;
use crate::process::{Process, Start, run, unprivileged};

const PROGRAMS: &str = "usr/lib/postgresql/15/bin";

/// Starts independent servers.
pub(crate) async fn start(count: usize) -> Result<Servers> {
    let root = root()?;
    let libraries = debian::library_path(&root)?;
    let programs = root.join(PROGRAMS);
    let command = |name: &str| -> Result<_> {
        let mut command = unprivileged(&programs.join(name))?;
        command.env("LD_LIBRARY_PATH", &libraries);
        Ok(command)
    };
    let mut servers = Vec::new();
    for _ in 0..count {
        let (process, [address]) = Process::start(|directory, [address]| {
            let data = directory.join("data");
            run(command("initdb")?
                .args([
                    "--username=test",
                    "--auth=trust",
                    "--no-sync",
                    "--no-locale",
                ])
                .args(["--encoding=UTF8", "--pgdata"])
                .arg(&data))?;
            let settings = format!(
                "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\n\
                 fsync = off\nautovacuum = off\n",
                address.port()
            );
            let file = data.join("postgresql.conf");
            fs::write(&file, fs::read_to_string(&file)? + &settings)?;
            let mut command = command("postgres")?;
            command.arg("-D").arg(&data);
            Ok(Start {
                command,
                address,
                // The immediate shutdown: the others wait for the clients.
                signal: "QUIT",
            })
        })
        .await?;
        servers.push((process, address));
    }
    Ok(Servers::new(servers)
        .with("EVENKEEL_PGBENCH", programs.join("pgbench"))
        .with("EVENKEEL_PGBENCH_LIBRARIES", libraries.into()))
}

/// Where the package's files are: the server finds the others relative to itself.
fn root() -> Result<PathBuf> {
    let installed = Path::new("/");
    if installed.join(PROGRAMS).is_dir() {
        return Ok(installed.to_owned());
    }
    debian::unpacked("postgresql-15")
}
