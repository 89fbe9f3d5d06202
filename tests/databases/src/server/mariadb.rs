//! MariaDB, which speaks MySQL's protocol.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use evenkeel_test_tools::debian;

use super::Servers;
use crate::process::{Process, Start, tail};

/// Starts independent servers.
pub(crate) async fn start(count: usize) -> Result<Servers> {
    let root = debian::unpacked("mariadb-server-core")?;
    let program = debian::binary("mariadb-server-core", "mariadbd")?;
    let share = root.join("usr/share/mysql");
    let mut servers = Vec::new();
    for _ in 0..count {
        let (process, [address]) = Process::start(|directory, [address]| {
            let data = directory.join("data");
            fs::create_dir(&data)?;
            let command = || {
                let mut command = Command::new(&program);
                command
                    .args([
                        "--no-defaults",
                        "--user=root",
                        "--innodb-flush-log-at-trx-commit=0",
                    ])
                    .arg(format!("--datadir={}", data.display()))
                    // A server removes the temporary files of others when it starts.
                    .arg(format!("--tmpdir={}", directory.display()))
                    .arg(format!("--lc-messages-dir={}", share.display()))
                    .arg(format!(
                        "--character-sets-dir={}",
                        share.join("charsets").display()
                    ))
                    .arg(format!("--pid-file={}", directory.join("pid").display()));
                command
            };
            create_system_tables(command(), &share, directory)?;
            let mut command = command();
            command
                // Any user may do anything, without a password.
                .args([
                    "--skip-grant-tables",
                    "--skip-networking=0",
                    "--skip-name-resolve",
                ])
                .args(["--bind-address=127.0.0.1", "--innodb-buffer-pool-size=16M"])
                .arg(format!("--port={}", address.port()))
                .arg(format!("--socket={}", directory.join("socket").display()));
            Ok(Start {
                command,
                address,
                signal: "KILL",
            })
        })
        .await?;
        servers.push((process, address));
    }
    Ok(Servers::new(servers))
}

/// What `mariadb-install-db` does, which needs further packages.
fn create_system_tables(mut server: Command, share: &Path, directory: &Path) -> Result<()> {
    let statements = directory.join("system.sql");
    let mut text = "CREATE DATABASE mysql;\nUSE mysql;\n".to_owned();
    for file in ["mysql_system_tables.sql", "mysql_system_tables_data.sql"] {
        let file = share.join(file);
        text += &fs::read_to_string(&file).with_context(|| format!("no {}", file.display()))?;
    }
    text += "CREATE DATABASE test;\n";
    fs::write(&statements, text)?;
    let output = server
        .arg("--bootstrap")
        .stdin(File::open(&statements)?)
        .output()?;
    if !output.status.success() {
        anyhow::bail!(
            "mariadbd --bootstrap failed ({})\n{}",
            output.status,
            tail(&String::from_utf8_lossy(&output.stderr))
        );
    }
    Ok(())
}
