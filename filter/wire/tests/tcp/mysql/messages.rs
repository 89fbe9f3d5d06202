//! Packets of MySQL and MariaDB.

pub(super) const MYSQL: u64 = 1;
pub(super) const COMPRESS: u64 = 1 << 5;
pub(super) const PROTOCOL_41: u64 = 1 << 9;
pub(super) const SSL: u64 = 1 << 11;
pub(super) const DEPRECATE_EOF: u64 = 1 << 24;
pub(super) const OPTIONAL_METADATA: u64 = 1 << 25;
pub(super) const QUERY_ATTRIBUTES: u64 = 1 << 27;
pub(super) const PROGRESS: u64 = 1 << 32;
pub(super) const CACHE_METADATA: u64 = 1 << 36;

pub(super) const AUTOCOMMIT: u16 = 2;
pub(super) const IN_TRANSACTION: u16 = 3;
pub(super) const MORE_RESULTS: u16 = 10;
pub(super) const CURSOR_EXISTS: u16 = 0x42;
pub(super) const LAST_ROW_SENT: u16 = 0x82;

pub(super) fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

pub(super) fn greeting(capabilities: u64) -> Vec<u8> {
    let flags = capabilities.to_le_bytes();
    let scramble = [7; 8];
    let payload = [
        &b"\x0a8.0.36-log\0"[..],
        &[9, 0, 0, 0],
        &scramble,
        &[0],
        &flags[..2],
        &[255, 2, 0],
        &flags[2..4],
        &[21, 0, 0, 0, 0, 0, 0],
        &flags[4..],
        &scramble,
        b"\x01\x02\x03\x04\0mysql_native_password\0",
    ]
    .concat();
    packet(0, &payload)
}

pub(super) fn login(capabilities: u64) -> Vec<u8> {
    let flags = capabilities.to_le_bytes();
    let payload = [
        &flags[..4],
        &[0, 0, 0, 1, 45],
        &[0; 19],
        &flags[4..],
        b"app\0\0",
    ]
    .concat();
    packet(1, &payload)
}

pub(super) fn ok(sequence: u8, status: u16) -> Vec<u8> {
    let [low, high] = status.to_le_bytes();
    packet(sequence, &[0, 1, 0xfc, 2, 1, low, high, 0, 0])
}

pub(super) fn error(sequence: u8) -> Vec<u8> {
    packet(sequence, b"\xff\x48\x04#HY000failed")
}

/// An EOF_Packet, or an OK_Packet in its place.
pub(super) fn eof(capabilities: u64, status: u16) -> Vec<u8> {
    let [low, high] = status.to_le_bytes();
    match capabilities & DEPRECATE_EOF {
        0 => packet(9, &[0xfe, 0, 0, low, high]),
        _ => packet(9, &[0xfe, 0, 0, low, high, 0, 0]),
    }
}

pub(super) fn definitions(capabilities: u64, count: usize) -> Vec<u8> {
    let definitions = packet(
        2,
        b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0",
    )
    .repeat(count);
    match capabilities & DEPRECATE_EOF {
        0 => [definitions, eof(capabilities, AUTOCOMMIT)].concat(),
        _ => definitions,
    }
}

pub(super) fn result_set(capabilities: u64, rows: usize, status: u16) -> Vec<u8> {
    let row = packet(5, b"\x011\x012").repeat(rows);
    let head = [packet(1, &[2]), definitions(capabilities, 2)].concat();
    [head, row, eof(capabilities, status)].concat()
}

pub(super) fn command(code: u8, payload: &[u8]) -> Vec<u8> {
    packet(0, &[&[code], payload].concat())
}

pub(super) fn query(sql: &str) -> Vec<u8> {
    command(3, sql.as_bytes())
}

pub(super) fn execute(statement: u8, flags: u8) -> Vec<u8> {
    command(23, &[statement, 0, 0, 0, flags, 1, 0, 0, 0])
}
