//! What is done to connections and streams. None of it happens inside the hostcall: the module returns
//! first.

use super::hostcalls;
use crate::abi::{Refusal, Status, StreamType};
use crate::headers::HeaderMap;
use crate::memory::{read, text};
use crate::state::{Context, Deferred, VmState};
use crate::stream::LocalResponse;
use wasmtime::{Linker, Result};

pub(super) fn define(linker: &mut Linker<VmState>) -> Result<()> {
    hostcalls!(linker:
        "proxy_close_stream" (vm, kind) {
            let kind = StreamType::of(kind)?;
            let action = match (kind, vm.data().context()) {
                (
                    StreamType::Downstream | StreamType::Upstream,
                    Some(Context::Network { connection, .. }),
                ) => Deferred::CloseConnection(connection),
                (StreamType::Request | StreamType::Response, Some(Context::Http { stream, .. })) => {
                    Deferred::ResetStream(stream)
                }
                // Another context's kind of stream: Envoy says yes and does nothing.
                _ => return Ok(()),
            };
            vm.data_mut().deferred.push_back(action);
        }
        "proxy_continue_stream" (vm, kind) {
            let action = match (StreamType::of(kind)?, vm.data().context()) {
                (StreamType::Upstream, _) => {
                    vm.data().violate("the module resumed a write: Envoy cannot, and the SDK panics");
                    return Err(Status::Unimplemented.into());
                }
                (StreamType::Downstream, Some(Context::Network { connection, .. })) => {
                    Deferred::ContinueReading(connection)
                }
                (StreamType::Request | StreamType::Response, Some(Context::Http { stream, .. })) => {
                    Deferred::ContinueStream(stream)
                }
                _ => return Ok::<(), Refusal>(()),
            };
            vm.data_mut().deferred.push_back(action);
        }
        "proxy_send_local_response" (
            vm, status, details, details_len, body, body_len, headers, headers_len, grpc_status
        ) {
            let details = text(vm, details, details_len)?;
            let body = read(vm, body, body_len)?;
            let headers = HeaderMap::decode(&read(vm, headers, headers_len)?).to_text();
            // The SDK says -1 for none; the last code there is is 16.
            let grpc_status = Some(grpc_status).filter(|code| *code <= 16);
            if let Some(Context::Http { stream, .. }) = vm.data().context() {
                let response = LocalResponse { status, headers, body, grpc_status, details };
                vm.data_mut().deferred.push_back(Deferred::RespondLocally(stream, response));
            }
            vm.data_mut().stop_iteration = true;
        }
    )
}
