//! Bytes across the boundary: reading and writing the module's memory, and having it allocate.

use crate::abi::{Refusal, Status};
use crate::state::VmState;
use wasmtime::Caller;

/// The module's own bytes from `start`.
pub(crate) fn read(vm: &mut Caller<'_, VmState>, start: u32, len: u32) -> Result<Vec<u8>, Status> {
    let memory = vm.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    let start = start as usize;
    let end = start
        .checked_add(len as usize)
        .ok_or(Status::InvalidMemoryAccess)?;
    let bytes = memory
        .data(&*vm)
        .get(start..end)
        .ok_or(Status::InvalidMemoryAccess)?
        .to_vec();
    vm.data().world.borrow_mut().counts.bytes_out += u64::from(len);
    Ok(bytes)
}

/// The module's own bytes as text, with what is no UTF-8 replaced.
pub(crate) fn text(vm: &mut Caller<'_, VmState>, start: u32, len: u32) -> Result<String, Status> {
    Ok(String::from_utf8_lossy(&read(vm, start, len)?).into_owned())
}

/// Writes a number of any width where the module asked for it.
pub(crate) fn put(vm: &mut Caller<'_, VmState>, at: u32, bytes: &[u8]) -> Result<(), Status> {
    let memory = vm.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    memory
        .write(vm, at as usize, bytes)
        .map_err(|_| Status::InvalidMemoryAccess)
}

/// Hands `bytes` to the module in memory that the module allocates for them and then owns, and writes
/// where they are and how many. No bytes are a null pointer and no allocation.
pub(crate) fn give(
    vm: &mut Caller<'_, VmState>,
    bytes: &[u8],
    pointer_at: u32,
    size_at: u32,
) -> Result<(), Refusal> {
    let size = bytes.len() as u32;
    let pointer = if size == 0 { 0 } else { allocate(vm, size)? };
    if size > 0 {
        put(vm, pointer, bytes)?;
        vm.data().world.borrow_mut().counts.bytes_in += u64::from(size);
    }
    put(vm, pointer_at, &pointer.to_le_bytes())?;
    put(vm, size_at, &size.to_le_bytes())?;
    Ok(())
}

/// Enters the VM from inside a hostcall. Meanwhile it may call nothing but the log.
fn allocate(vm: &mut Caller<'_, VmState>, size: u32) -> Result<u32, Refusal> {
    let malloc = vm
        .data()
        .malloc
        .clone()
        .ok_or(Status::InvalidMemoryAccess)?;
    vm.data().world.borrow_mut().counts.allocations += 1;
    let caller = vm.data_mut().speak_as(0);
    vm.data_mut().restricted = true;
    let answer = malloc.call(&mut *vm, size);
    vm.data_mut().restricted = false;
    vm.data_mut().speak_again_as(caller);
    match answer? {
        0 => Err(Status::InvalidMemoryAccess.into()),
        pointer => Ok(pointer),
    }
}
