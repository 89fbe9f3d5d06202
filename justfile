# The menu: `just` lists it. Every recipe is one command, so that nobody needs just.

# List the recipes
default:
    @just --list

# Prove every part, as CI does; `just test --only unit` runs one step
test *args:
    cargo xtask test {{ args }}

# Show the problem and the cure on real Envoys
demo *args:
    cargo xtask demo {{ args }}

# Build the module: target/evenkeel.wasm
wasm:
    cargo xtask wasm

# Fetch a stock Envoy and print its path
envoy *args:
    cargo xtask envoy {{ args }}

# Send real clients through a real Envoy; `just clients httpx --requests 1000`
clients *args:
    cargo xtask clients {{ args }}

# The same with many more requests; hours for all clients
storm *args:
    cargo xtask storm {{ args }}

# What a policy would do to a service; `just simulate scale-out --policy shop.json`
simulate *args:
    cargo run --release -p evenkeel -- simulate {{ args }}

# Measure the scanners, the engine and the cost of a request; `--quick` for a first look
bench *args:
    cargo xtask bench {{ args }}

# Write again what is generated: the schema, the tables in docs, the manifests and the dashboard in istio/
generate:
    cargo xtask generate

# Make the release in target/dist
dist *args:
    cargo xtask dist {{ args }}

# Format the code
fmt:
    cargo fmt --all

# Check the formatting and the lints
lint:
    cargo xtask test --only fmt clippy
