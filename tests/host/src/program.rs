//! The path of the module and its machine code, compiled once per process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use wasmtime::{Config, Engine, Module, Strategy};

/// Returns the path of the module: `EVENKEEL_WASM`, else `target/evenkeel.wasm` of the workspace.
///
/// # Panics
/// When the file is missing, with the command that builds it.
pub fn module() -> PathBuf {
    let path = match std::env::var_os("EVENKEEL_WASM") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/evenkeel.wasm"),
    };
    assert!(
        path.is_file(),
        "there is no {}: run `cargo xtask wasm` first",
        path.display()
    );
    path
}

/// Compiles the module at `path` once per process.
///
/// # Panics
/// When it cannot be read, or is not a proxy-wasm module of ABI 0.2.1.
pub(crate) fn compile(path: &Path) -> Module {
    static COMPILED: OnceLock<Mutex<HashMap<PathBuf, Module>>> = OnceLock::new();
    // A test that failed to compile one module does not affect others.
    let mut compiled = COMPILED
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = compiled.get(path) {
        return module.clone();
    }
    let bytes = std::fs::read(path)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
    let module = Module::new(engine(), bytes)
        .unwrap_or_else(|error| panic!("{} does not compile: {error:?}", path.display()));
    assert!(
        module.get_export("proxy_abi_version_0_2_1").is_some(),
        "{} is not a proxy-wasm module of ABI 0.2.1",
        path.display()
    );
    compiled.insert(path.to_owned(), module.clone());
    module
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::new();
        // Tests are short, so a fast compilation matters most.
        config.strategy(Strategy::Winch);
        config.consume_fuel(true);
        Engine::new(&config).expect("the configuration is one that this platform has")
    })
}
