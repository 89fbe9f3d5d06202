//! Reads, writes and allocates the module's memory.

use crate::abi::{Failure, Status};
use crate::state::VmState;
use wasmtime::Caller;

/// Reads bytes of the module.
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

/// Reads text of the module; invalid UTF-8 is replaced.
pub(crate) fn text(vm: &mut Caller<'_, VmState>, start: u32, len: u32) -> Result<String, Status> {
    Ok(String::from_utf8_lossy(&read(vm, start, len)?).into_owned())
}

/// Writes a number to the memory of the module.
pub(crate) fn put(vm: &mut Caller<'_, VmState>, at: u32, bytes: &[u8]) -> Result<(), Status> {
    let memory = vm.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    memory
        .write(vm, at as usize, bytes)
        .map_err(|_| Status::InvalidMemoryAccess)
}

/// Passes `bytes` to the module in memory that it allocates and owns, and writes the pointer and the size. Empty bytes are a
/// null pointer without an allocation.
pub(crate) fn give(
    vm: &mut Caller<'_, VmState>,
    bytes: &[u8],
    pointer_at: u32,
    size_at: u32,
) -> Result<(), Failure> {
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

/// Allocates memory of the module, which enters the VM from inside a hostcall.
fn allocate(vm: &mut Caller<'_, VmState>, size: u32) -> Result<u32, Failure> {
    let malloc = vm
        .data()
        .malloc
        .clone()
        .ok_or(Status::InvalidMemoryAccess)?;
    vm.data().world.borrow_mut().counts.allocations += 1;
    match malloc.call(&mut *vm, size)? {
        0 => Err(Status::InvalidMemoryAccess.into()),
        pointer => Ok(pointer),
    }
}
