//! Everything that can be wrong with a folder, each with its own error, message and remedy.

use salt_data::{DataError, Dataset, PictureError, Split};

use crate::fixture::Folder;

/// Opening must fail with an error that matches, whose message names `mention` and has a remedy.
macro_rules! refused {
    ($folder:expr, $pattern:pat, $mention:expr) => {{
        let error = Dataset::open($folder.path()).expect_err("must be refused");
        assert!(matches!(error, $pattern), "{error:?}");
        let text = error.to_string();
        assert!(text.contains($mention), "{text}");
        assert!(
            text.starts_with("expected ") && !error.remedy().is_empty(),
            "{text}"
        );
    }};
}

#[test]
fn a_sound_folder_opens() {
    let folder = Folder::sound();
    let set = Dataset::open(folder.path()).expect("opens");
    assert_eq!(
        set.cases.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert_eq!(set.split(Split::Val)[0].id, "b");
    let case = set.load(&set.cases[2]).expect("loads");
    assert_eq!(case.labels.classes[..9], [1, 1, 1, 1, 1, 1, 1, 1, 0]);
}

#[test]
fn missing_folder_and_missing_table() {
    let folder = Folder::empty();
    let error = Dataset::open(&folder.path().join("nowhere")).expect_err("must be refused");
    assert!(matches!(error, DataError::MissingFolder { .. }));
    assert!(error.to_string().contains("nowhere"));
    refused!(folder, DataError::MissingTable { .. }, "data_split.csv");
}

#[test]
fn a_set_one_folder_deeper() {
    let folder = Folder::empty();
    for inner in ["later", "inner"] {
        folder.image(&format!("{inner}/images/a.png"), 8, 6, 1);
        folder.mask(&format!("{inner}/masks/a.png"), 8, 6, 255);
        folder.text(&format!("{inner}/data_split.csv"), "imgs,split\na,train\n");
    }
    let wanted = format!("; give {} instead", folder.path().join("inner").display());
    refused!(folder, DataError::TableDeeper { .. }, &wanted);
    assert!(Dataset::open(&folder.path().join("inner")).is_ok());
}

#[test]
fn other_separators_than_commas() {
    let folder = Folder::sound();
    for (separator, mention) in [
        (";", "received `;`"),
        ("\t", r"received `\t`"),
        ("|", "received `|`"),
    ] {
        let text = "imgs,split,group\na.jpg,train,1\n".replace(',', separator);
        folder.text("data_split.csv", &text);
        refused!(folder, DataError::Separator { .. }, mention);
    }
    // One column, and no separator is to blame.
    folder.text("data_split.csv", "a;b\nc;d\n");
    refused!(folder, DataError::MissingColumn { .. }, "imgs,split");
}

#[test]
fn bytes_that_are_no_text_are_found_on_their_line() {
    let folder = Folder::sound();
    let check = |bytes: &[u8], wanted: u64| {
        std::fs::write(folder.at("pairs.csv"), bytes).expect("written");
        refused!(
            folder,
            DataError::Encoding { .. },
            &format!("line {wanted} of")
        );
    };
    let header = b"image,mask,split\n".to_vec();
    let line = b"images/a.png,masks/a_mask.png,train\n".repeat(8);
    let latin_1 = b"images/\xe9.png,masks/\xe9.png,train\n";
    check(&[&header[..], &line, latin_1].concat(), 10);
    // A byte order mark, empty lines, and a field of two lines.
    check(
        &[b"\xef\xbb\xbf", &header[..], b"\n\r\n", latin_1].concat(),
        4,
    );
    check(&[&header[..], b"\"a\nb\xe9\",c,train\n"].concat(), 3);
    check(b"\xff\xfei\0m\0a\0", 1);
}

#[test]
fn tables_that_make_no_sense() {
    let folder = Folder::sound();
    folder.text("data_split.csv", "imgs,fold\na,1\n");
    refused!(
        folder,
        DataError::MissingColumn {
            column: "split",
            ..
        },
        "imgs,split"
    );
    folder.text("data_split.csv", "imgs,split\n");
    refused!(folder, DataError::EmptyTable { .. }, "at least one case");
    folder.text("data_split.csv", "imgs,split\na,train\nb,val,more\n");
    refused!(folder, DataError::BadRow { line: 3, .. }, "line 3");
    folder.text("data_split.csv", "imgs,split\na,train\n,val\n");
    refused!(folder, DataError::BadRow { line: 3, .. }, "an empty `imgs`");
    folder.text("data_split.csv", "imgs,split\na,train\na.png,test\n");
    refused!(folder, DataError::DuplicateCase { line: 3, .. }, "`a`");
    folder.text("data_split.csv", "imgs,split\na,training\n");
    refused!(
        folder,
        DataError::UnknownSplit {
            nearest: "train",
            ..
        },
        "`training`"
    );
}

#[test]
fn missing_files() {
    let folder = Folder::sound();
    std::fs::remove_file(folder.at("masks/b_mask.png")).expect("removed");
    refused!(folder, DataError::MissingMask { line: 3, .. }, "b_mask.png");
    std::fs::remove_file(folder.at("images/a.png")).expect("removed");
    refused!(folder, DataError::MissingImage { line: 2, .. }, "a.png");
}

#[test]
fn dots_in_names() {
    let folder = Folder::empty();
    let mut table = "imgs,split,group\n".to_owned();
    for (k, name) in ["eye.000", "eye.001", "eye"].into_iter().enumerate() {
        folder.image(&format!("images/{name}.png"), 8, 6, k as u8);
        folder.mask(&format!("masks/{name}_mask.png"), 8, 6, 255);
        table += &format!("{name},{},{k}\n", ["train", "val", "test"][k]);
    }
    folder.text("data_split.csv", &table);
    let set = Dataset::open(folder.path()).expect("opens");
    let ids: Vec<&str> = set.cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids, ["eye.000", "eye.001", "eye"]);
    assert!(set.cases[1].mask.ends_with("eye.001_mask.png"));
    assert_eq!(salt_data::verify::verify(folder.path()).findings, []);
}

#[test]
fn a_mask_of_another_size() {
    let folder = Folder::sound();
    folder.mask("masks/c_mask.png", 6, 8, 255);
    refused!(
        folder,
        DataError::SizeMismatch {
            image: [8, 6],
            mask: [6, 8],
            ..
        },
        "8 x 6 (width x height) like its image, received 6 x 8"
    );
}

#[test]
fn volumes_instead_of_pictures() {
    let volume = include_bytes!("fixtures/nifti/ct_scaled.nii.gz");
    for part in ["images/a.nii.gz", "masks/a.nii.gz"] {
        let folder = Folder::sound();
        std::fs::write(folder.at(part), volume).expect("written");
        let [image, mask] = match part.starts_with("images") {
            true => [part, "masks/a_mask.png"],
            false => ["images/a.png", part],
        };
        std::fs::remove_file(folder.at("data_split.csv")).expect("there");
        folder.text(
            "pairs.csv",
            &format!("image,mask,split\n{image},{mask},train\n"),
        );
        refused!(
            folder,
            DataError::Picture(PictureError::Volume { .. }),
            "a.nii.gz to be one picture, received a NIfTI volume inside of gzip"
        );
    }
}

#[test]
fn unreadable_files() {
    let folder = Folder::sound();
    folder.text("images/a.png", "this is no picture");
    refused!(
        folder,
        DataError::Picture(PictureError::UnknownFormat { .. }),
        "received a text"
    );
    let folder = Folder::sound();
    let whole = std::fs::read(folder.at("masks/a_mask.png")).expect("there");
    std::fs::write(folder.at("masks/a_mask.png"), &whole[..whole.len() - 30]).expect("written");
    refused!(
        folder,
        DataError::Picture(PictureError::Truncated { .. }),
        "a_mask.png"
    );
    // Only pixels are broken: the header opens, loading says which file it is.
    let folder = Folder::sound();
    let whole = std::fs::read(folder.at("images/a.png")).expect("there");
    std::fs::write(folder.at("images/a.png"), &whole[..whole.len() - 30]).expect("written");
    let set = Dataset::open(folder.path()).expect("the header is sound");
    let error = set.load(&set.cases[0]).expect_err("must be refused");
    let cut = DataError::Picture(PictureError::Truncated {
        path: folder.at("images/a.png"),
        format: "PNG",
    });
    assert_eq!(error.to_string(), cut.to_string());
}

#[test]
fn a_header_that_asks_for_terabytes_is_refused_before_allocation() {
    let folder = Folder::sound();
    let mut bytes = std::fs::read(folder.at("masks/a_mask.png")).expect("there");
    // Width and height of IHDR, and its checksum over type and data.
    bytes[16..24].copy_from_slice(&[0, 15, 66, 64, 0, 15, 66, 64]);
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    std::fs::write(folder.at("masks/a_mask.png"), &bytes).expect("written");
    refused!(
        folder,
        DataError::TooLarge {
            width: 1_000_000,
            ..
        },
        "1000000 x 1000000"
    );
}

/// CRC-32 as in PNG annex D, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| {
            if c & 1 == 1 {
                c >> 1 ^ 0xedb8_8320
            } else {
                c >> 1
            }
        })
    })
}

#[test]
fn paths_that_lead_out_of_the_folder() {
    let folder = Folder::sound();
    for path in [
        "../a.png",
        "/etc/passwd",
        "images/../../a.png",
        "C:a.png",
        "images\\a.png",
    ] {
        folder.text(
            "pairs.csv",
            &format!("image,mask,split\n{path},masks/a_mask.png,train\n"),
        );
        refused!(folder, DataError::EscapingPath { line: 2, .. }, path);
        folder.text(
            "pairs.csv",
            &format!("image,mask,split\nimages/a.png,{path},train\n"),
        );
        refused!(folder, DataError::EscapingPath { line: 2, .. }, path);
    }
}

#[test]
fn an_empty_split_says_which() {
    let folder = Folder::sound();
    folder.text("data_split.csv", "imgs,split\na,train\nb,train\n");
    let set = Dataset::open(folder.path()).expect("opens");
    let error = set.load_split(Split::Test).expect_err("must be refused");
    assert!(matches!(
        error,
        DataError::EmptySplit {
            split: Split::Test,
            ..
        }
    ));
    assert!(error.to_string().contains("`test`"), "{error}");
}

#[test]
fn pairs_may_repeat_stems_in_folders_and_start_with_a_byte_order_mark() {
    let folder = Folder::sound();
    folder.image("images/x/a.png", 8, 6, 9);
    folder.text(
        "pairs.csv",
        "\u{feff}image, mask, split\nimages/a.png, masks/a_mask.png, train\n\
         images/x/a.png, masks/a_mask.png, test\nimages/b.png,masks/b_mask.png,val\n",
    );
    let set = Dataset::open(folder.path()).expect("opens");
    let ids: Vec<&str> = set.cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids, ["images__a", "images__x__a", "b"]);
}

#[test]
fn validation_is_taken_from_training_once_and_by_seed() {
    let folder = Folder::sound();
    let mut table = String::from("imgs,split\n");
    for k in 0..20 {
        folder.image(&format!("images/n{k}.png"), 8, 6, k);
        folder.mask(&format!("masks/n{k}.png"), 8, 6, 1);
        table += &format!("n{k},{}\n", if k < 16 { "train" } else { "test" });
    }
    folder.text("data_split.csv", &table);
    let chosen = |seed: u64| {
        let set = Dataset::open(folder.path()).expect("opens");
        let set = set.with_validation(0.25, seed).expect("enough cases");
        assert_eq!(set.split(Split::Test).len(), 4);
        assert_eq!(set.split(Split::Train).len(), 12);
        set.split(Split::Val)
            .iter()
            .map(|case| case.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(chosen(3), chosen(3));
    assert_ne!(chosen(3), chosen(4));
    let before = chosen(3);
    // The order of the table does not matter to the draw, nor to the content hash.
    let hash = || {
        Dataset::open(folder.path())
            .expect("opens")
            .sha256()
            .expect("readable")
    };
    let first_hash = hash();
    let mut lines: Vec<&str> = table.lines().collect();
    lines[1..].reverse();
    folder.text("data_split.csv", &lines.join("\n"));
    let mut after = chosen(3);
    after.reverse();
    assert_eq!(before, after);
    assert_eq!(hash(), first_hash);
    folder.image("images/n0.png", 8, 6, 77);
    assert_ne!(hash(), first_hash);

    let sound = Folder::sound();
    let set = Dataset::open(sound.path()).expect("opens");
    assert!(set.clone().with_validation(1.0, 0).is_err());
    let kept = set.with_validation(0.5, 0).expect("has validation cases");
    assert_eq!(kept.split(Split::Val).len(), 1);
    sound.text("data_split.csv", "imgs,split\na,train\nb,test\n");
    let single = Dataset::open(sound.path()).expect("opens");
    assert!(matches!(
        single.with_validation(0.5, 0),
        Err(DataError::EmptySplit { .. })
    ));
}
