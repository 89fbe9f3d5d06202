//! Values in the host's shared data: records and tables of little-endian numbers of 8 bytes.

/// The first byte of a table. Another version of the module may have written one.
pub(crate) const FORMAT: u8 = 1;

/// Reads a record of `N` numbers; `None` for bytes of another length.
pub fn read<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (numbers, []) = bytes.as_chunks() else {
        return None;
    };
    let numbers: [_; N] = numbers.try_into().ok()?;
    Some(numbers.map(u64::from_le_bytes))
}

/// Writes a record.
pub fn write<const N: usize>(record: [u64; N]) -> Vec<u8> {
    record.map(u64::to_le_bytes).as_flattened().to_vec()
}

/// Reads a table of at most `max` records; `None` for anything else.
pub(crate) fn read_table<const N: usize>(
    bytes: &[u8],
    max: usize,
) -> Option<impl Iterator<Item = [u64; N]>> {
    let (&FORMAT, records) = bytes.split_first()? else {
        return None;
    };
    let (numbers, []) = records.as_chunks() else {
        return None;
    };
    let (records, []) = numbers.as_chunks::<N>() else {
        return None;
    };
    let records = (records.len() <= max).then_some(records)?;
    Some(records.iter().map(|record| record.map(u64::from_le_bytes)))
}

/// Writes a table: one byte with the format's version (1), then its records.
pub(crate) fn write_table<const N: usize>(records: impl Iterator<Item = [u64; N]>) -> Vec<u8> {
    let (least, _) = records.size_hint();
    let length = least.saturating_mul(size_of::<[u64; N]>());
    let mut bytes = Vec::with_capacity(length.saturating_add(1));
    bytes.push(FORMAT);
    for record in records {
        bytes.extend_from_slice(record.map(u64::to_le_bytes).as_flattened());
    }
    bytes
}
