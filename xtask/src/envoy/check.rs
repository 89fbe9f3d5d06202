//! Checks that an Envoy can run wasm modules.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// Envoy accepts the runtime's name even without V8, so only loading a module shows whether it has V8.
const RUNTIME: &str = "envoy.wasm.runtime.v8";

/// The smallest module that a proxy-wasm host accepts, in base64:
/// `(module (func (export "proxy_abi_version_0_2_1")) (func (export "proxy_on_memory_allocate") (param i32)
/// (result i32) i32.const 0) (memory (export "memory") 1))`.
const SMALLEST_MODULE: &str = "AGFzbQEAAAABCQJgAABgAX8BfwMDAgABBQMBAAEHPwMXcHJveHlfYWJpX3ZlcnNpb25fMF8yXzEA\
    ABhwcm94eV9vbl9tZW1vcnlfYWxsb2NhdGUAAQZtZW1vcnkCAAoJAgIACwQAQQAL";

/// Makes `envoy` load a module, without opening a listener.
///
/// # Errors
/// When the program does not run here, or has no V8.
pub fn runs_modules(envoy: &Path) -> Result<()> {
    let version = Command::new(envoy).arg("--version").output();
    let version = version.context("it cannot be run")?;
    if !version.status.success() {
        bail!(
            "it does not run here ({}): {}",
            version.status,
            last_line(&version)
        );
    }
    let mut validate = Command::new(envoy);
    validate.args("--mode validate --log-level warn --config-yaml".split(' '));
    let validated = validate.arg(configuration()).output()?;
    verdict(&validated)
}

fn verdict(validated: &Output) -> Result<()> {
    if validated.status.success() {
        return Ok(());
    }
    if String::from_utf8_lossy(&validated.stderr).contains("compiled without support for it") {
        bail!("it has no {RUNTIME}: take another release or build of Envoy");
    }
    bail!("it cannot load a wasm module: {}", last_line(validated))
}

fn configuration() -> String {
    serde_json::json!({ "static_resources": { "listeners": [{
        "name": "probe",
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "filter_chains": [{ "filters": [
            {
                "name": "wasm",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm",
                    "config": { "vm_config": {
                        "runtime": RUNTIME,
                        "code": { "local": { "inline_bytes": SMALLEST_MODULE } },
                    } },
                },
            },
            {
                "name": "echo",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo",
                },
            },
        ] }],
    }] } })
    .to_string()
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("it says nothing")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    /// The result of `--mode validate`.
    fn ended(code: i32, stderr: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
        }
    }

    #[test]
    fn envoy_without_v8_differs_from_a_broken_one() {
        assert!(verdict(&ended(0, "[warning] deprecated option\n")).is_ok());

        let without = "[warning] Failed to create Wasm VM using envoy.wasm.runtime.v8 runtime. \
                       Envoy was compiled without support for it\n[critical] Unable to create\n";
        let error = verdict(&ended(1, without)).unwrap_err().to_string();
        let expected = "it has no envoy.wasm.runtime.v8: take another release or build of Envoy";
        assert_eq!(error, expected);

        let error = verdict(&ended(1, "[critical] no space left\n\n")).unwrap_err();
        let expected = "it cannot load a wasm module: [critical] no space left";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn missing_envoy_is_an_error() {
        let error = runs_modules(Path::new("/nowhere/envoy")).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.starts_with("it cannot be run: No such file"),
            "{error}"
        );
    }
}
