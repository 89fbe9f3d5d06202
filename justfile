# Developer commands. Each recipe is one command, so just is optional.

# List the recipes
default:
    @just --list

# Run all tests, as CI does; `just test --only unit` runs one step
test *args:
    cargo xtask test {{ args }}

# Show the imbalance in real Envoys, without and with the module
demo *args:
    cargo xtask demo {{ args }}

# Reproduce each case of the problem on kube-proxy's rules, as root; `just lab routers --rules nftables`
lab *args:
    cargo xtask lab {{ args }}

# Build the module: target/evenkeel.wasm
wasm:
    cargo xtask wasm

# Download a stock Envoy and print its path
envoy *args:
    cargo xtask envoy {{ args }}

# Send real clients through a real Envoy; `just clients httpx --requests 1000`
clients *args:
    cargo xtask clients {{ args }}

# Send many more requests; all clients take hours
storm *args:
    cargo xtask storm {{ args }}

# Run real clients of databases and brokers; `just databases postgresql --client psycopg`
databases *args:
    cargo xtask databases {{ args }}

# Simulate the effect of a policy; `just simulate scale-out --policy shop.json`
simulate *args:
    cargo run --release -p evenkeel -- simulate {{ args }}

# Benchmark the scanners, the engine and the cost of a request; `--quick` is faster
bench *args:
    cargo xtask bench {{ args }}

# Fuzz the scanners; `just fuzz postgresql --seconds 600`
fuzz *args:
    cargo xtask fuzz {{ args }}

# Regenerate the schema, the tables in docs, the manifests and the dashboard in istio/
generate:
    cargo xtask generate

# Build the release in target/dist
dist *args:
    cargo xtask dist {{ args }}

# Format the code
fmt:
    cargo fmt --all

# Check the formatting and the lints
lint:
    cargo xtask test --only fmt clippy
