//! Reduces what a module costs its host: removes the exports that the host would call without effect, and makes calls
//! indirect.
//!
//! A missing export costs a host nothing; each existing one costs a VM entry per call. The
//! linker exports functions that no host needs, and an SDK exports every callback.

use anyhow::{Result, bail};
use walrus::Module;

use crate::indirect;

/// The exports that a host requires.
const REQUIRED: [&str; 4] = [
    "memory",                  // read and written by the host
    "proxy_abi_version_0_2_1", // the version of the ABI; never called
    "malloc", // allocates the results of hostcalls; `proxy_on_memory_allocate` on WASI
    "proxy_on_context_create", // a root, a connection or a stream starts
];

/// Other exports that are kept.
const KEPT: [&str; 11] = [
    "_initialize",                          // initializes the VM
    "_start",                               // initializes a module built as a command
    "proxy_on_configure",                   // applies a policy
    "proxy_on_tick",                        // closes connections
    "proxy_on_delete",                      // removes the state of a context
    "proxy_on_downstream_data",             // bytes of the client
    "proxy_on_upstream_data", // bytes of the server, into which drain signals are inserted
    "proxy_on_downstream_connection_close", // which side closed
    "proxy_on_request_headers", // the route and the authority
    "proxy_on_response_headers", // the upstream host
    "proxy_on_http_call_response", // the response of a peer
];

/// A trimmed module.
pub struct Trimmed {
    /// The module's bytes.
    pub module: Vec<u8>,
    /// The number of removed exports.
    pub exports_removed: usize,
}

/// Removes all exports except [`REQUIRED`] and [`KEPT`], then the code that only those reached, and makes the calls within
/// the module indirect.
///
/// # Errors
/// When the bytes are not a module, or a required export is missing.
pub fn trim(bytes: &[u8]) -> Result<Trimmed> {
    let mut module = Module::from_buffer(bytes)?;
    for name in REQUIRED {
        if !module.exports.iter().any(|export| export.name == name) {
            bail!("it does not export `{name}`, which a host must find");
        }
    }
    let stays = |name: &str| REQUIRED.contains(&name) || KEPT.contains(&name);
    let superfluous: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !stays(&export.name))
        .map(|export| export.id())
        .collect();
    for export in &superfluous {
        module.exports.delete(*export);
    }
    walrus::passes::gc::run(&mut module);
    indirect::make_calls_indirect(&mut module)?;
    Ok(Trimmed {
        module: module.emit_wasm(),
        exports_removed: superfluous.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module like those of the SDK: required exports, two callbacks, and a function that only one of them uses.
    const SDK_LIKE: &str = r#"(module
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (import "env" "proxy_done" (func $done (result i32)))
        (memory (export "memory") 1)
        (global (export "__heap_base") i32 (i32.const 1024))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "proxy_on_tick") (param i32)
            (drop (call $log (i32.const 2) (i32.const 0) (i32.const 0))))
        (func $only_for_done (drop (call $done)))
        (func (export "proxy_on_done") (param i32) (result i32) (call $only_for_done) (i32.const 1)))"#;

    fn trimmed(text: &str) -> Result<Trimmed> {
        trim(&wat::parse_str(text).unwrap())
    }

    #[test]
    fn unneeded_exports_are_removed_and_needed_ones_stay() {
        let trimmed = trimmed(SDK_LIKE).unwrap();
        let module = Module::from_buffer(&trimmed.module).unwrap();
        let mut exports: Vec<_> = module
            .exports
            .iter()
            .map(|export| export.name.as_str())
            .collect();
        exports.sort_unstable();
        assert_eq!(
            exports,
            [
                "malloc",
                "memory",
                "proxy_abi_version_0_2_1",
                "proxy_on_context_create",
                "proxy_on_tick"
            ]
        );
        assert_eq!(trimmed.exports_removed, 2);
    }

    #[test]
    fn code_reachable_only_from_removed_exports_is_removed() {
        let module = Module::from_buffer(&trimmed(SDK_LIKE).unwrap().module).unwrap();
        let imports: Vec<_> = module
            .imports
            .iter()
            .map(|import| import.name.as_str())
            .collect();
        assert_eq!(imports, ["proxy_log"]);
        assert_eq!(module.funcs.iter_local().count(), 4);
    }

    #[test]
    fn trimming_twice_changes_nothing() {
        let once = trimmed(SDK_LIKE).unwrap().module;
        let twice = trim(&once).unwrap();
        assert_eq!((twice.module, twice.exports_removed), (once, 0));
    }

    #[test]
    fn invalid_module_is_rejected() {
        let error =
            trimmed(&SDK_LIKE.replace("proxy_abi_version_0_2_1", "proxy_abi_version_0_1_0"));
        let error = error.err().unwrap().to_string();
        assert!(
            error.starts_with("it does not export `proxy_abi_version_0_2_1`"),
            "{error}"
        );
        assert!(trim(b"not a module").is_err());
    }
}
