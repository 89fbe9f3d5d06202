//! Log, time, timers, shared data, metrics and calls to clusters.

use super::{BAD_ARGUMENT, hostcalls};
use crate::abi::{Level, Status, find};
use crate::headers::HeaderMap;
use crate::http_call::CallState;
use crate::log::LogLine;
use crate::memory::{give, put, read, text};
use crate::metrics::{BelowZero, Kind};
use crate::state::{Timer, VmState};
use crate::world::shared;
use std::time::Duration;
use wasmtime::{Caller, Linker, Result};

pub(super) fn define(linker: &mut Linker<VmState>) -> Result<()> {
    linker.func_wrap("wasi_snapshot_preview1", "clock_time_get", clock_time_get)?;
    hostcalls!(linker:
        "proxy_log" (vm, level, start, len) {
            let level = find(&Level::ALL, level, |level| level as u32)?;
            let text = text(vm, start, len)?;
            let worker = vm.data().worker;
            vm.data().world.borrow_mut().log.push(LogLine { worker, level, text });
        }
        "proxy_get_log_level" (vm, level_at) {
            put(vm, level_at, &(Level::Info as u32).to_le_bytes())?;
        }
        "proxy_get_current_time_nanoseconds" (vm, time_at) {
            let now = vm.data().world.borrow().clock.wall().as_nanos() as u64;
            put(vm, time_at, &now.to_le_bytes())?;
        }
        "proxy_set_tick_period_milliseconds" (vm, milliseconds) {
            let root = vm.data().context().ok_or(Status::BadArgument)?.root().borrow().id;
            let period = Duration::from_millis(u64::from(milliseconds));
            let due = vm.data().world.borrow().clock.steady() + period;
            let timers = &mut vm.data_mut().timers;
            if period.is_zero() {
                timers.remove(&root);
            } else {
                timers.insert(root, Timer { period, due });
            }
        }
        "proxy_set_effective_context" (vm, context) {
            vm.data_mut().set_effective(context)?;
        }
        "proxy_get_shared_data" (vm, key, key_len, value_at, size_at, cas_at) {
            let key = read(vm, key, key_len)?;
            let (value, cas) = vm.data().world.borrow().shared_data.get(&key)?;
            give(vm, &value, value_at, size_at)?;
            put(vm, cas_at, &cas.to_le_bytes())?;
        }
        "proxy_set_shared_data" (vm, key, key_len, value, value_len, cas) {
            let (key, value) = (read(vm, key, key_len)?, read(vm, value, value_len)?);
            vm.data().world.borrow_mut().shared_data.set(key, value, cas)?;
        }
        "proxy_define_metric" (vm, kind, name, name_len, id_at) {
            let (kind, name) = (Kind::of(kind)?, text(vm, name, name_len)?);
            let world = vm.data().world.clone();
            let id = vm.data_mut().metric_ids.define(&mut world.borrow_mut().metrics, kind, name);
            put(vm, id_at, &id.to_le_bytes())?;
        }
        "proxy_increment_metric" (vm, id, offset: i64) {
            let state = vm.data();
            let incremented = state.metric_ids.increment(&mut state.world.borrow_mut().metrics, id, offset)?;
            if let Err(BelowZero(name)) = incremented {
                state.violate(format!("the module decremented the gauge `{name}` below zero ({offset:+})"));
            }
        }
        "proxy_http_call" (
            vm, cluster, cluster_len, headers, headers_len, body, body_len, trailers, trailers_len,
            timeout, token_at
        ) {
            let cluster = text(vm, cluster, cluster_len)?;
            let headers = HeaderMap::decode(&read(vm, headers, headers_len)?);
            read(vm, body, body_len)?;
            read(vm, trailers, trailers_len)?;
            let root = vm.data().context().ok_or(BAD_ARGUMENT)?.root().clone();
            let known = vm.data().world.borrow().clusters.contains(&cluster);
            let is_complete = [":path", ":method", ":authority"].iter().all(|name| headers.get(name).is_some());
            if !known || !is_complete || timeout.cast_signed() < 0 {
                return Err(BAD_ARGUMENT);
            }
            let state = vm.data_mut();
            // The two low bits of a token are the kind of the call: 0 is HTTP.
            state.calls_made += 1;
            let token = state.calls_made << 2;
            state.world.borrow_mut().calls.push(shared(CallState {
                worker: state.worker,
                root,
                token,
                cluster,
                headers,
                timeout: Duration::from_millis(u64::from(timeout)),
                ended: false,
            }));
            put(vm, token_at, &token.to_le_bytes())?;
        }
    )
}

/// WASI's clocks, with WASI's error numbers.
fn clock_time_get(
    mut vm: Caller<'_, VmState>,
    clock: u32,
    _precision: u64,
    at: u32,
) -> Result<u32> {
    const EINVAL: u32 = 28;
    const EFAULT: u32 = 21;
    let world = vm.data().world.clone();
    world.borrow_mut().counts.called("clock_time_get");
    let now = match clock {
        0 => world.borrow().clock.wall(),
        1 => world.borrow().clock.steady(),
        _ => return Ok(EINVAL),
    };
    match put(&mut vm, at, &(now.as_nanos() as u64).to_le_bytes()) {
        Ok(()) => Ok(0),
        Err(_) => Ok(EFAULT),
    }
}
