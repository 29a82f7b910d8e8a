//! Checkpoints made to do harm, or damaged by chance: every one gives a typed error or the model, within
//! bounded memory and time, and nothing in it is ever executed.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use salt_sam::weights::Checkpoint;
use salt_sam::{Sam, SamConfig, SamError};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::allocations::peak_bytes;
use crate::on_cpu;
use crate::parity::{config, path};

/// Most memory that a file may ask for beyond the model. A pickle is read whole before it is understood: the
/// 64 MiB of zeros below, as large as their 64 kB claim, were measured to take 134 MB, and a megabyte of opcodes
/// that build lists 93 MB.
const MAX_BYTES: usize = 192 << 20;

/// A reader that runs longer has been caught in a loop; a sound file takes milliseconds.
const MAX_TIME: Duration = Duration::from_secs(20);

/// What becomes of a file.
enum Outcome {
    /// A typed error.
    Refused(SamError),
    /// A model, which a flipped bit of a value leaves sound.
    Loaded(Box<Sam>),
}

fn load(path: &Path) -> Outcome {
    let started = Instant::now();
    let read = || {
        let checkpoint = Checkpoint::read(path)?;
        // As the command line does, which asks the file for its model.
        SamConfig::of_checkpoint(&checkpoint)?;
        checkpoint.into_sam(&config(), None, &Device::default())
    };
    let (result, bytes) = peak_bytes(read);
    let (name, time) = (path.display(), started.elapsed());
    assert!(bytes < MAX_BYTES, "{name}: {bytes} bytes");
    assert!(time < MAX_TIME, "{name}: {time:?}");
    match result {
        Ok(sam) => Outcome::Loaded(Box::new(sam)),
        Err(error) => Outcome::Refused(error),
    }
}

/// Files of this ending in one folder; every one has to be refused.
struct Refused {
    folder: tempfile::TempDir,
    ending: &'static str,
    kinds: usize,
}

impl Refused {
    fn new(ending: &'static str) -> Self {
        let (folder, kinds) = (tempfile::tempdir().unwrap(), 0);
        Self {
            folder,
            ending,
            kinds,
        }
    }

    fn check(&mut self, what: &str, bytes: &[u8]) -> String {
        self.kinds += 1;
        let path = self
            .folder
            .path()
            .join(format!("{}.{}", self.kinds, self.ending));
        std::fs::write(&path, bytes).unwrap();
        match load(&path) {
            Outcome::Refused(error) => error.to_string(),
            Outcome::Loaded(_) => panic!("{what}: loaded"),
        }
    }
}

/// Bytes from a seed (splitmix64): the same mutants every time.
struct Stream(u64);

impl Stream {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

/// Header and data of a safetensors file.
fn parts(file: &[u8]) -> (serde_json::Value, &[u8]) {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header = serde_json::from_slice(&file[8..8 + length]).unwrap();
    (header, &file[8 + length..])
}

fn join(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header, data].concat()
}

const POS: &str = "image_encoder.pos_embed";

#[test]
fn headers_of_safetensors() {
    if !on_cpu() {
        return;
    }
    let good = fixture("sam_small.safetensors");
    let (header, data) = parts(&good);
    let mut files = Refused::new("safetensors");
    for part in 0..24 {
        files.check("cut", &good[..good.len() * part / 24]);
    }
    files.check("longer", &[&good[..], b"more"].concat());
    for length in [
        0,
        1,
        7,
        good.len() as u64 * 2,
        1 << 40,
        u64::MAX,
        u64::MAX - 7,
    ] {
        let file = [&length.to_le_bytes()[..], &good[8..]].concat();
        files.check("another length of the header", &file);
    }
    let text = header.to_string();
    for (what, text) in [
        ("not JSON", text[..text.len() - 1].to_owned()),
        ("a list", "[]".to_owned()),
        ("nothing", "{}".to_owned()),
        ("nested", "[".repeat(200_000)),
        ("nested in a table", "{\"a\":".repeat(100_000)),
        ("a number", "1e999".to_owned()),
        ("padding", " ".repeat(100_000)),
        (
            "metadata that is no table",
            text.replacen('{', "{\"__metadata__\":3,", 1),
        ),
        (
            "our metadata, damaged",
            text.replacen('{', "{\"__metadata__\":{\"salt\":\"{\"},", 1),
        ),
    ] {
        files.check(what, &join(text.as_bytes(), data));
    }
    files.check("bytes that are no text", &join(&[0xff; 64], data));

    let mut change = |what: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut header = header.clone();
        change(&mut header);
        files.check(what, &join(header.to_string().as_bytes(), data))
    };
    for dtype in [
        "I64", "I32", "U8", "BOOL", "F64", "F16", "BF16", "F8_E4M3", "F32X", "",
    ] {
        change(dtype, &|h| h[POS]["dtype"] = dtype.into());
    }
    for shape in [
        serde_json::json!([]),
        serde_json::json!([0]),
        serde_json::json!([1, 8, 8, 31]),
        serde_json::json!([1, 8, 32, 8]),
        serde_json::json!([2048]),
        serde_json::json!([-1, 8, 8, 32]),
        serde_json::json!([1.5, 8, 8, 32]),
        serde_json::json!([1_u64 << 62, 8]),
        serde_json::json!([u64::MAX, u64::MAX]),
        serde_json::json!([0, u64::MAX, u64::MAX]),
        serde_json::json!("1x8x8x32"),
    ] {
        change(&shape.to_string(), &|h| h[POS]["shape"] = shape.clone());
    }
    for offsets in [
        [0_u64, 0],
        [8192, 0],
        [0, 8192],
        [0, u64::MAX],
        [u64::MAX - 8192, u64::MAX],
    ] {
        change("offsets", &|h| {
            h[POS]["data_offsets"] = serde_json::json!(offsets)
        });
    }
    let overlap = change("two tensors over the same bytes", &|h| {
        let offsets = h["image_encoder.blocks.0.norm1.weight"]["data_offsets"].clone();
        h["image_encoder.blocks.0.norm1.bias"]["data_offsets"] = offsets;
    });
    assert!(overlap.contains("header"), "{overlap}");
    change("a tensor without offsets", &|h| {
        h[POS].as_object_mut().unwrap().remove("data_offsets");
    });
    change("a tensor that is a number", &|h| h[POS] = 3.into());
    let renamed = change("another name", &|h| {
        let table = h.as_object_mut().unwrap();
        let tensor = table.remove(POS).unwrap();
        table.insert("image_encoder.pos_embedding".into(), tensor);
    });
    assert!(
        renamed.contains("`image_encoder.pos_embed` [nearest: image_encoder.pos_embedding]"),
        "{renamed}"
    );
    change("a name of a megabyte", &|h| {
        let table = h.as_object_mut().unwrap();
        let tensor = table.remove(POS).unwrap();
        table.insert("x".repeat(1 << 20), tensor);
    });
    change("a hundred thousand empty tensors", &|h| {
        let end = data.len();
        let empty = serde_json::json!({"dtype": "F32", "shape": [0], "data_offsets": [end, end]});
        let table = h.as_object_mut().unwrap();
        table.extend((0..100_000).map(|i| (format!("t{i}"), empty.clone())));
    });
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut data = data.to_vec();
        data[4..8].copy_from_slice(&value.to_le_bytes());
        files.check("no number", &join(header.to_string().as_bytes(), &data));
    }
    assert!(files.kinds >= 75, "{}", files.kinds);
}

#[test]
fn flipped_bits() {
    if !on_cpu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Stream(7);
    let mut refused = 0;
    for name in ["sam_small.safetensors", "sam_small.pth"] {
        let good = fixture(name);
        for mutant in 0..150 {
            let mut bytes = good.clone();
            // Headers lie at the beginning, the directory of a zip at the end.
            let near = [good.len(), 12_000.min(good.len())][mutant % 2];
            for _ in 0..1 + mutant % 5 {
                let at = stream.below(near);
                let at = if mutant % 4 == 3 {
                    good.len() - 1 - at
                } else {
                    at
                };
                bytes[at] ^= 1 << stream.below(8);
            }
            let file = folder.path().join(format!("{mutant}{name}"));
            std::fs::write(&file, bytes).unwrap();
            match load(&file) {
                Outcome::Refused(_) => refused += 1,
                Outcome::Loaded(sam) => assert_eq!(sam.image_size(), 64),
            }
        }
    }
    // A flipped bit of a value is seen in a .pth, which has checksums, and mostly not in a .safetensors.
    assert!(refused > 150, "{refused}");
}

/// A zip with these entries, as `torch.save` lays them out.
fn archive(entries: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, data, method) in entries {
        let options = SimpleFileOptions::default().compression_method(*method);
        zip.start_file(format!("archive/{name}"), options).unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn archives_of_pytorch() {
    let good = fixture("sam_small.pth");
    let mut files = Refused::new("pth");
    for part in 0..24 {
        files.check("cut", &good[..good.len() * part / 24]);
    }
    let stored = CompressionMethod::Stored;
    let none: &[(&str, &[u8], CompressionMethod)] = &[];
    files.check("an empty zip", &archive(none));
    files.check("no pickle", &archive(&[("data/0", b"1234", stored)]));
    files.check("an empty pickle", &archive(&[("data.pkl", b"", stored)]));
    files.check("a directory at the end of nothing", b"PK\x05\x06");
    files.check("a zip of zeros", &vec![0; 100_000]);
    let zeros = vec![0; 64 << 20];
    let deflated = CompressionMethod::Deflated;
    files.check(
        "a pickle of 64 MiB of zeros",
        &archive(&[("data.pkl", &zeros, deflated)]),
    );
    let padded = [&b"\x80\x02"[..], &vec![b'0'; 32 << 20]].concat();
    files.check(
        "a pickle that pops for ever",
        &archive(&[("data.pkl", &padded, deflated)]),
    );
}

#[test]
fn pickles_are_never_executed_and_never_grow() {
    let mut files = Refused::new("pth");
    let witness = files.folder.path().join("executed");
    let command = format!("touch {}", witness.display());
    let call = |module: &str, name: &str, argument: &str| {
        let argument = [
            &b"X"[..],
            &(argument.len() as u32).to_le_bytes(),
            argument.as_bytes(),
        ]
        .concat();
        [
            &b"\x80\x02c"[..],
            module.as_bytes(),
            b"\n",
            name.as_bytes(),
            b"\n",
            &argument,
            b"\x85R.",
        ]
        .concat()
    };
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("__builtin__", "compile"),
        ("torch", "load"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("collections", "OrderedDict"),
    ] {
        let pickle = call(module, name, &command);
        files.check(name, &pickle);
        files.check(
            name,
            &archive(&[("data.pkl", &pickle, CompressionMethod::Stored)]),
        );
    }
    assert!(!witness.exists());

    // A list that holds the last one twice, forty times over: two to the power of forty in all.
    let mut laughs = b"\x80\x02]q\x00".to_vec();
    for index in 0..40_u8 {
        laughs.extend([b']', b'q', index + 1, b'(', b'h', index, b'h', index, b'e']);
    }
    laughs.push(b'.');
    files.check("a billion laughs", &laughs);
    let mut table = b"\x80\x02}q\x00".to_vec();
    for index in 0..40_u8 {
        table.extend([b'}', b'q', index + 1, b'(']);
        table.extend(b"X\x01\x00\x00\x00a");
        table.extend([b'h', index]);
        table.extend(b"X\x01\x00\x00\x00b");
        table.extend([b'h', index, b'u']);
    }
    table.push(b'.');
    files.check("a billion laughs in tables", &table);
    let lengths: [(&str, Vec<u8>); 12] = [
        (
            "bytes of four exabytes",
            [&b"\x80\x04\x8e"[..], &(1_u64 << 62).to_le_bytes()].concat(),
        ),
        (
            "text of four exabytes",
            [&b"\x80\x04\x8d"[..], &(1_u64 << 62).to_le_bytes()].concat(),
        ),
        (
            "bytes of four gigabytes",
            b"\x80\x02B\xff\xff\xff\xff".to_vec(),
        ),
        (
            "text of four gigabytes",
            b"\x80\x02X\xff\xff\xff\xff".to_vec(),
        ),
        (
            "a number of two gigabytes",
            b"\x80\x02\x8b\xff\xff\xff\x7f".to_vec(),
        ),
        (
            "a number of negative length",
            b"\x80\x02\x8b\xff\xff\xff\xff".to_vec(),
        ),
        (
            "a frame of four exabytes",
            [&b"\x80\x04\x95"[..], &(1_u64 << 62).to_le_bytes()].concat(),
        ),
        (
            "a note at four billion",
            b"\x80\x02]r\xff\xff\xff\xff.".to_vec(),
        ),
        ("a protocol of the future", b"\x80\xff.".to_vec()),
        ("an unknown opcode", b"\x80\x02\xfe.".to_vec()),
        ("nothing on the stack", b"\x80\x02R.".to_vec()),
        ("no end", b"\x80\x02]".to_vec()),
    ];
    for (what, pickle) in &lengths {
        files.check(what, pickle);
    }
    files.check(
        "lists in lists",
        &[
            &b"\x80\x02"[..],
            &vec![b']'; 1 << 20],
            &vec![b'a'; 1 << 20],
            b".",
        ]
        .concat(),
    );
    files.check(
        "marks without end",
        &[&b"\x80\x02"[..], &vec![b'('; 1 << 20], b"."].concat(),
    );
    files.check(
        "tuples in tuples",
        &[&b"\x80\x02)"[..], &vec![0x85; 1 << 20], b"."].concat(),
    );
    assert!(files.kinds >= 30, "{}", files.kinds);
}
