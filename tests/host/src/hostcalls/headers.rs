//! Header maps.

use super::hostcalls;
use crate::abi::{MapType, Status};
use crate::headers::HeaderMap;
use crate::memory::{give, put, read, text};
use crate::state::VmState;
use wasmtime::{Linker, Result};

pub(super) fn define(linker: &mut Linker<VmState>) -> Result<()> {
    hostcalls!(linker:
        "proxy_get_header_map_pairs" (vm, kind, pairs_at, size_at) {
            // A map that is not there has no pairs; only its single values are an error.
            let map = vm.data().map(MapType::of(kind)?).unwrap_or_default();
            give(vm, &map.encode(), pairs_at, size_at)?;
        }
        "proxy_set_header_map_pairs" (vm, kind, pairs, pairs_len) {
            let pairs = HeaderMap::decode(&read(vm, pairs, pairs_len)?);
            vm.data().change_map(MapType::of(kind)?, |map| *map = pairs)?;
        }
        "proxy_get_header_map_size" (vm, kind, size_at) {
            let mut size = 0;
            vm.data().change_map(MapType::of(kind)?, |map| size = map.byte_size() as u32)?;
            put(vm, size_at, &size.to_le_bytes())?;
        }
        "proxy_get_header_map_value" (vm, kind, name, name_len, value_at, size_at) {
            let (kind, name) = (MapType::of(kind)?, text(vm, name, name_len)?);
            let absent = if vm.data().in_log_phase() { Status::NotFound } else { Status::BadArgument };
            let map = vm.data().map(kind).ok_or(absent)?;
            let value = map.get(&name).ok_or(Status::NotFound)?;
            give(vm, value, value_at, size_at)?;
        }
        "proxy_add_header_map_value" (vm, kind, name, name_len, value, value_len) {
            let (name, value) = (text(vm, name, name_len)?, read(vm, value, value_len)?);
            vm.data().change_map(MapType::of(kind)?, |map| map.add(&name, &value))?;
        }
        "proxy_replace_header_map_value" (vm, kind, name, name_len, value, value_len) {
            let (name, value) = (text(vm, name, name_len)?, read(vm, value, value_len)?);
            vm.data().change_map(MapType::of(kind)?, |map| map.replace(&name, &value))?;
        }
        "proxy_remove_header_map_value" (vm, kind, name, name_len) {
            let name = text(vm, name, name_len)?;
            vm.data().change_map(MapType::of(kind)?, |map| map.remove(&name))?;
        }
    )
}
