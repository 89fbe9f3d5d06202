//! The command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use evenkeel_report::terminal;

use crate::shell::Shell;
use crate::workspace::Workspace;
use crate::{bench, demo, dist, envoy, fuzz, generate, runner, test, wasm};

/// Build, test and release tasks of Evenkeel that cargo alone cannot do
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run all checks: lints, unit tests (native and wasm32), the module in a test host and in a real Envoy
    Test(test::Args),
    /// Demonstrate the imbalance of long-lived connections in real Envoys, without and with Evenkeel
    Demo(demo::Args),
    /// Build and trim the module: evenkeel.wasm in the target directory
    Wasm,
    /// Provide a stock Envoy that runs wasm modules and print its path
    Envoy(envoy::Args),
    /// Run real clients against an Envoy that drains their connections: `cargo xtask clients --help`
    #[command(disable_help_flag = true)]
    Clients {
        /// Clients and options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run real database and broker clients through an Envoy that closes their connections: `cargo xtask databases --help`
    #[command(disable_help_flag = true)]
    Databases {
        /// Databases, brokers and options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// As `clients`, with 100,000 or 1,000,000 requests per client: `cargo xtask clients --help`
    #[command(disable_help_flag = true)]
    Storm {
        /// Clients and options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Reproduce each case of the problem between pods in network namespaces, as root: `cargo xtask lab --help`
    #[command(disable_help_flag = true)]
    Lab {
        /// Cases and options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Benchmark the scanners and the engine, count VM entries and hostcalls per request, or measure a real Envoy
    Bench(bench::Args),
    /// Fuzz the scanners with libFuzzer: HTTP, WebSocket, databases and brokers
    Fuzz(fuzz::Args),
    /// Build the release in dist/ of the target directory: module, image, CLI, manifests, bills of materials
    Dist(dist::Args),
    /// Regenerate files: the policy schema, tables and images in docs/, manifests and dashboard in istio/
    Generate,
}

pub fn run() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Test(args) => return test::run(&args, &Workspace::find()?),
        Command::Demo(args) => {
            let workspace = Workspace::find()?;
            let module = wasm::build(&workspace, &mut Shell::inherit())?.path;
            let tools = demo::Tools {
                envoy: envoy::pinned()?,
                module,
            };
            demo::run(&args, &tools, &workspace.target)?;
        }
        Command::Wasm => {
            let module = wasm::build(&Workspace::find()?, &mut Shell::inherit())?;
            terminal::line(&module.to_string());
        }
        Command::Envoy(args) => {
            terminal::line(&envoy::provide(&args.version)?.display().to_string())
        }
        Command::Clients { args } => runner::run(runner::CLIENTS, &args, &Workspace::find()?)?,
        Command::Storm { mut args } => {
            args.push("--storm".to_owned());
            runner::run(runner::CLIENTS, &args, &Workspace::find()?)?;
        }
        Command::Databases { args } => runner::run(runner::DATABASES, &args, &Workspace::find()?)?,
        Command::Lab { args } => runner::run(runner::LAB, &args, &Workspace::find()?)?,
        Command::Bench(args) => bench::run(&args, &Workspace::find()?)?,
        Command::Fuzz(args) => fuzz::run(&args, &Workspace::find()?)?,
        Command::Dist(args) => dist::run(&args, &Workspace::find()?)?,
        Command::Generate => generate::write(&Workspace::find()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// The Markdown files below a folder, but for packages and what was built.
    fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules"
            {
                pages(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }

    #[test]
    fn xtask_commands_in_pages_exist() {
        let mut paths = Vec::new();
        pages(&Workspace::find().unwrap().root, &mut paths);
        let mut tried = 0;
        for path in paths {
            let text = fs::read_to_string(&path).unwrap();
            for rest in text.split("cargo xtask ").skip(1) {
                let end = rest.find(['`', ')', '#', '|', ';', '>', '&', '\n', '*', '"']);
                let words = rest[..end.unwrap_or(rest.len())].split_whitespace();
                let line = ["cargo xtask"].into_iter().chain(words);
                tried += 1;
                if let Err(error) = Cli::try_parse_from(line)
                    && error.use_stderr()
                {
                    panic!("{}: {error}", path.display());
                }
            }
        }
        assert!(tried > 20, "only {tried} commands");
    }
}
