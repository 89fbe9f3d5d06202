//! Buffers, headers and properties.

use super::hostcalls;
use crate::abi::{BufferType, MapType, Status, find};
use crate::memory::{give, read, text};
use crate::properties::dotted;
use crate::state::{Context, VmState};
use wasmtime::{Linker, Result};

pub(super) fn define(linker: &mut Linker<VmState>) -> Result<()> {
    hostcalls!(linker:
        "proxy_get_buffer_bytes" (vm, kind, start, len, bytes_at, size_at) {
            let buffer = vm.data().buffer(find(&BufferType::ALL, kind, |kind| kind as u32)?)?;
            let end = start.checked_add(len).ok_or(Status::BadArgument)? as usize;
            let end = end.min(buffer.len());
            // Beyond the end, the result is empty.
            let bytes = buffer.get(start as usize..end).unwrap_or_default();
            give(vm, bytes, bytes_at, size_at)?;
        }
        "proxy_set_buffer_bytes" (vm, kind, start, len, bytes, bytes_len) {
            let kind = find(&BufferType::ALL, kind, |kind| kind as u32)?;
            let bytes = read(vm, bytes, bytes_len)?;
            vm.data().set_buffer(kind, start, len, &bytes)?;
        }
        "proxy_get_header_map_value" (vm, kind, name, name_len, value_at, size_at) {
            let kind = find(&MapType::ALL, kind, |kind| kind as u32)?;
            let name = text(vm, name, name_len)?;
            let value = vm.data().with_headers(kind, |headers| headers.get(&name).map(<[u8]>::to_vec));
            let value = value.ok_or(Status::BadArgument)?.ok_or(Status::NotFound)?;
            give(vm, &value, value_at, size_at)?;
        }
        "proxy_replace_header_map_value" (vm, kind, name, name_len, value, value_len) {
            let kind = find(&MapType::ALL, kind, |kind| kind as u32)?;
            let (name, value) = (text(vm, name, name_len)?, read(vm, value, value_len)?);
            let replaced = vm.data().with_headers(kind, |headers| headers.replace(&name, &value));
            replaced.ok_or(Status::BadArgument)?;
        }
        "proxy_get_property" (vm, path, path_len, value_at, size_at) {
            let path = read(vm, path, path_len)?;
            let value = property(vm.data(), path.strip_suffix(b"\0").unwrap_or(&path))?;
            give(vm, &value, value_at, size_at)?;
        }
        "proxy_set_property" (vm, path, path_len, value, value_len) {
            let (path, value) = (read(vm, path, path_len)?, read(vm, value, value_len)?);
            let properties = |set: &mut crate::properties::Properties| set.set_raw(path, Some(value));
            match vm.data().context() {
                Some(Context::Network { connection, .. }) => {
                    properties(&mut connection.borrow_mut().properties);
                }
                Some(Context::Http { stream, .. }) => properties(&mut stream.borrow_mut().properties),
                _ => return Err(Status::NotFound.into()),
            }
        }
    )
}

/// The properties that a stream shares with its connection; others, such as the route and the upstream, are its own.
const OF_THE_CONNECTION: [&str; 4] = ["connection.", "connection_id", "source.", "destination."];

/// Finds a property of the context. A root has no properties of a listener.
fn property(state: &VmState, path: &[u8]) -> Result<Vec<u8>, Status> {
    let context = state.context().ok_or(Status::NotFound)?;
    let name = dotted(path);
    let own = match &context {
        Context::Root(_) => None,
        Context::Network { connection, .. } => connection.borrow().property(path),
        Context::Http { stream, .. } => {
            if name == "xds.upstream_host_metadata"
                && stream.borrow().property(b"upstream\0address").is_some()
            {
                return Err(Status::SerializationFailure);
            }
            let shared = OF_THE_CONNECTION
                .iter()
                .any(|prefix| name.starts_with(prefix));
            let own = stream.borrow().property(path);
            own.or_else(|| {
                let connection = stream.borrow().connection.upgrade().filter(|_| shared)?;
                connection.borrow().property(path)
            })
        }
    };
    let root = context.root().borrow();
    own.or_else(|| match (&context, name.as_str()) {
        // A filter entry is of one direction, which its root knows, too.
        (_, "listener_direction")
        | (Context::Network { .. } | Context::Http { .. }, "xds.listener_direction") => {
            Some((root.spec.direction as i64).to_le_bytes().to_vec())
        }
        _ => root.property(path),
    })
    .ok_or(Status::NotFound)
}
