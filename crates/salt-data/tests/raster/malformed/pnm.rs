//! PBM, PGM and PPM files that are refused, and what gzip may hold.

use super::check;
use crate::raster::fixture_bytes;

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

#[test]
fn broken_pnm() {
    check("a PGM of its magic", b"P5\n", "truncated", "PNM");
    check("a PGM without a maximum", b"P5 3 2", "truncated", "PNM");
    check(
        "a PGM with too few rows",
        b"P5 3 2 255\n12345",
        "truncated",
        "PNM",
    );
    check("a PGM of width 0", b"P5 0 2 255\n", "corrupt", "0 x 2");
    check(
        "a PGM of maximum 0",
        b"P5 1 1 0\n\0",
        "corrupt",
        "maximum of 0",
    );
    check(
        "a PGM of maximum 65536",
        b"P5 1 1 65536\n\0",
        "corrupt",
        "65536",
    );
    check(
        "a PGM of terapixels",
        b"P5 1000000 1000000 255\n",
        "too large",
        "1000000",
    );
    check(
        "a width beyond 32 bits",
        b"P5 4294967296 1 255\n",
        "corrupt",
        "32 bits",
    );
    check("a negative width", b"P5 -3 2 255\n", "corrupt", "`-`");
    check(
        "a sample above the maximum",
        b"P5 2 1 3\n\x01\x04",
        "corrupt",
        "sample of 4",
    );
    check(
        "a text sample above",
        b"P2 2 1 3\n1 4\n",
        "corrupt",
        "sample of 4",
    );
    check(
        "a text sample far above",
        b"P2 2 1 3\n1 70000\n",
        "corrupt",
        "70000",
    );
    check("letters for samples", b"P2 2 1 3\n1 x\n", "corrupt", "`x`");
    check("a text PGM cut", b"P2 2 2 3\n1 2 3", "truncated", "PNM");
    check("a text PBM of twos", b"P1 2 1\n12", "corrupt", "`2`");
    check("a text PBM cut", b"P1 2 2\n101", "truncated", "PNM");
    check("a PBM cut", b"P4 9 2\n\0\0\0", "truncated", "PNM");
    check(
        "two pictures",
        b"P5 1 1 9\n\x01P5 1 1 9\n\x01",
        "several frames",
        "second",
    );
    let comment = [&b"P5 #"[..], &[b'c'; 1 << 17], b"\n1 1 255\n1"].concat();
    check("an endless comment", &comment, "corrupt", "comment");
    let gz = fixture_bytes("binary.ppm.gz");
    check("a gzip file cut", &gz[..gz.len() - 12], "truncated", "gzip");
    check(
        "a gzip file without its checksum",
        &gz[..gz.len() - 4],
        "truncated",
        "gzip",
    );
    let mut checksum = gz.clone();
    checksum[gz.len() - 6] ^= 1;
    check("a wrong checksum", &checksum, "corrupt", "gzip");
    check("gzip in gzip", &gzipped(&gz), "unsupported", "gzip inside");
    let png = gzipped(&fixture_bytes("grey8.png"));
    check("a PNG in gzip", &png, "unsupported", "PNG file inside");
    check(
        "a text in gzip",
        &gzipped(b"no picture"),
        "unsupported",
        "a text",
    );
    let mut bomb = b"P5 1 1 255\n\0".to_vec();
    bomb.resize(1 << 24, 0);
    check(
        "a bomb behind a small header",
        &gzipped(&bomb),
        "corrupt",
        "more data",
    );
    let lying = gzipped(b"P5 16384 16384 255\n\0\0\0");
    check("a header larger than its data", &lying, "truncated", "gzip");
}
