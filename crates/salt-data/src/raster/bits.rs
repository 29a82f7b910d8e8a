//! Samples that are stored in fewer than eight bits.

/// Appends the first `count` samples of a packed row, most significant bits first (PNG, section
/// 7.2; TIFF 6.0, FillOrder 1; BMP). `depth` is 1, 2, 4 or 8 and `row` is long enough.
pub(super) fn unpack(row: &[u8], depth: u8, count: usize, out: &mut Vec<u8>) {
    if depth == 8 {
        out.extend_from_slice(&row[..count]);
        return;
    }
    let depth = usize::from(depth);
    let per_byte = 8 / depth;
    let low_bits = (1_u16 << depth) as u8 - 1;
    out.extend((0..count).map(|i| {
        let shift = 8 - depth * (i % per_byte + 1);
        (row[i / per_byte] >> shift) & low_bits
    }));
}

/// Length in bytes of a packed row.
pub(super) fn packed_length(count: usize, depth: u8) -> usize {
    (count * usize::from(depth)).div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::{packed_length, unpack};

    #[test]
    fn small_samples_are_unpacked_from_the_left() {
        let check = |row: &[u8], depth, count, expected: &[u8]| {
            let mut out = Vec::new();
            unpack(row, depth, count, &mut out);
            assert_eq!(out, expected);
            assert!(packed_length(count, depth) <= row.len());
        };
        check(
            &[0b1010_0000, 0b1100_0000],
            1,
            10,
            &[1, 0, 1, 0, 0, 0, 0, 0, 1, 1],
        );
        check(&[0b11_01_00_10], 2, 3, &[3, 1, 0]);
        check(&[0x5a, 0x10], 4, 3, &[5, 10, 1]);
        check(&[7, 255], 8, 2, &[7, 255]);
    }
}
