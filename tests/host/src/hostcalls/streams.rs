//! Closing connections and responding to requests, which Envoy does when the module has returned.

use super::hostcalls;
use crate::abi::DOWNSTREAM;
use crate::headers::HeaderMap;
use crate::memory::{read, text};
use crate::state::{Context, Deferred, VmState};
use crate::stream::LocalResponse;
use wasmtime::{Linker, Result};

pub(super) fn define(linker: &mut Linker<VmState>) -> Result<()> {
    hostcalls!(linker:
        "proxy_close_stream" (vm, kind) {
            // In another context, Envoy returns OK and does nothing.
            if let (DOWNSTREAM, Some(Context::Network { connection, .. })) = (kind, vm.data().context()) {
                vm.data_mut().deferred.push_back(Deferred::CloseConnection(connection));
            }
        }
        "proxy_send_local_response" (
            vm, status, details, details_len, body, body_len, headers, headers_len, grpc_status
        ) {
            text(vm, details, details_len)?;
            let body = read(vm, body, body_len)?;
            let headers = HeaderMap::decode(&read(vm, headers, headers_len)?).to_text();
            // -1 is no status; the highest code is 16.
            let grpc_status = Some(grpc_status).filter(|code| *code <= 16);
            if let Some(Context::Http { stream, .. }) = vm.data().context() {
                let response = LocalResponse { status, headers, body, grpc_status };
                vm.data_mut().deferred.push_back(Deferred::RespondLocally(stream, response));
            }
        }
    )
}
