;; A proxy-wasm module that reads the first bytes of each network callback, and does nothing with them: what any scanner costs
;; that reads them.
(module
    (import "env" "proxy_get_buffer_bytes" (func $read (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_delete") (param i32))
    (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
        (drop (call $read (i32.const 2) (i32.const 0) (i32.const 256) (i32.const 16) (i32.const 20)))
        (i32.const 0))
    (func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32)
        (if (local.get 1)
            (then (drop (call $read (i32.const 3) (i32.const 0) (i32.const 256) (i32.const 16) (i32.const 20)))))
        (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0)))
