//! Removes from a module what a host would call in vain.
//!
//! A host skips an export that is not there at no cost, and pays for entering the VM for each that is. The
//! linker exports what no host needs, and an SDK, if one is used, every callback there is.

use anyhow::{Result, bail};
use walrus::Module;

/// What a host must find.
const REQUIRED: [&str; 4] = [
    "memory",                  // the host reads and writes it
    "proxy_abi_version_0_2_1", // tells the host which ABI this is; never called
    "malloc", // the host allocates here what a hostcall returns; `proxy_on_memory_allocate` on WASI
    "proxy_on_context_create", // a root, a connection or a stream begins
];

/// What else stays if it is there.
const KEPT: [&str; 11] = [
    "_initialize",                          // prepares the VM, once
    "_start",                               // the same, in a module built as a command
    "proxy_on_configure",                   // a policy arrives
    "proxy_on_tick",                        // time passes: connections are closed from here
    "proxy_on_delete",                      // a context ends: its state goes
    "proxy_on_downstream_data",             // bytes of the client
    "proxy_on_upstream_data",               // bytes of the server: where announcements go
    "proxy_on_downstream_connection_close", // who closed: the client or we
    "proxy_on_request_headers",             // the HTTP role learns route and authority
    "proxy_on_response_headers",            // the HTTP role learns the upstream
    "proxy_on_http_call_response",          // a peer answers
];

/// A module without what it does not need.
pub struct Trimmed {
    /// The module's bytes.
    pub module: Vec<u8>,
    /// How many exports went.
    pub exports_removed: usize,
}

/// Removes all exports that [`REQUIRED`] and [`KEPT`] do not name, then what only they reached.
///
/// # Errors
/// When these are not the bytes of a module, or a required export is missing.
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
    Ok(Trimmed {
        module: module.emit_wasm(),
        exports_removed: superfluous.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module as the SDK makes them: what a host needs, two callbacks, and what only one of them uses.
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
