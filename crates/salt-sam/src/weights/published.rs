//! Published checkpoints that fit the models of [`MODELS`](crate::config::MODELS). Plain data: who downloads
//! them brings a network of its own.

/// A checkpoint somebody has published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedCheckpoint {
    /// What users type.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// The model it fits, a name of [`MODELS`](crate::config::MODELS).
    pub model: &'static str,
    /// Its name on a disk.
    pub file_name: &'static str,
    /// Where it is, the publisher's own address first.
    pub urls: &'static [&'static str],
    /// Its size, where known.
    pub bytes: Option<u64>,
    /// What its content hashes to.
    pub checksum: PublishedChecksum,
    /// Name of the licence.
    pub licence: &'static str,
    /// What the licence asks for, in a sentence.
    pub terms: &'static str,
    /// Whom to cite.
    pub citation: &'static str,
}

/// A published checksum, in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedChecksum {
    /// SHA-256.
    Sha256(&'static str),
    /// MD5, where nothing better is published.
    Md5(&'static str),
}

impl PublishedChecksum {
    /// `sha256` or `md5`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Md5(_) => "md5",
        }
    }

    /// The digits.
    pub fn hex(&self) -> &'static str {
        match self {
            Self::Sha256(hex) | Self::Md5(hex) => hex,
        }
    }
}

const SAM_CITATION: &str = "Kirillov et al., Segment Anything, ICCV 2023, arXiv 2304.02643";
const APACHE_TERMS: &str =
    "free to use, change and pass on with the licence and its notices; no warranty";

/// The list of published checkpoints. A new one is one entry here.
///
/// Sizes and checksums of the originals: as SAM's repository and those who mirror it publish them. The second
/// addresses are mirrors on Hugging Face, which the checksum holds to the same content.
pub const PUBLISHED: &[PublishedCheckpoint] = &[
    PublishedCheckpoint {
        name: "sam_vit_b",
        title: "Segment Anything, ViT-B",
        model: "sam_vit_b",
        file_name: "sam_vit_b_01ec64.pth",
        urls: &[
            "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth",
            "https://huggingface.co/ybelkada/segment-anything/resolve/main/checkpoints/sam_vit_b_01ec64.pth",
        ],
        bytes: Some(375_042_383),
        checksum: PublishedChecksum::Sha256(
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        ),
        licence: "Apache-2.0",
        terms: APACHE_TERMS,
        citation: SAM_CITATION,
    },
    PublishedCheckpoint {
        name: "sam_vit_l",
        title: "Segment Anything, ViT-L",
        model: "sam_vit_l",
        file_name: "sam_vit_l_0b3195.pth",
        urls: &[
            "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_l_0b3195.pth",
            "https://huggingface.co/ybelkada/segment-anything/resolve/main/checkpoints/sam_vit_l_0b3195.pth",
        ],
        bytes: Some(1_249_524_607),
        checksum: PublishedChecksum::Sha256(
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
        licence: "Apache-2.0",
        terms: APACHE_TERMS,
        citation: SAM_CITATION,
    },
    PublishedCheckpoint {
        name: "sam_vit_h",
        title: "Segment Anything, ViT-H",
        model: "sam_vit_h",
        file_name: "sam_vit_h_4b8939.pth",
        urls: &[
            "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_h_4b8939.pth",
            "https://huggingface.co/ybelkada/segment-anything/resolve/main/checkpoints/sam_vit_h_4b8939.pth",
        ],
        bytes: Some(2_564_550_879),
        checksum: PublishedChecksum::Sha256(
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        ),
        licence: "Apache-2.0",
        terms: APACHE_TERMS,
        citation: SAM_CITATION,
    },
    PublishedCheckpoint {
        name: "medsam_vit_b",
        title: "MedSAM: ViT-B fine-tuned on 1.5 million medical images with masks",
        model: "sam_vit_b",
        file_name: "medsam_vit_b.pth",
        urls: &["https://zenodo.org/records/10689643/files/medsam_vit_b.pth"],
        // Zenodo's record tells an MD5 and no exact size that could be confirmed elsewhere.
        bytes: None,
        checksum: PublishedChecksum::Md5("3bb6db55bd0c9ca30b61248bca72f8d6"),
        licence: "CC BY 4.0",
        terms: "free to use, change and pass on when its authors are named and changes are marked; no warranty, \
                and no medical device",
        citation: "Ma et al., Segment Anything in Medical Images, Nature Communications 15, 2024, arXiv 2304.12306",
    },
];

impl PublishedCheckpoint {
    /// The checkpoint of that name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        PUBLISHED.iter().find(|checkpoint| checkpoint.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::SamConfig;

    #[test]
    fn every_entry_is_whole_and_fits_a_model() {
        let mut seen = BTreeSet::new();
        for published in PUBLISHED {
            let name = published.name;
            assert!(
                seen.insert(name) && seen.insert(published.file_name),
                "{name} twice"
            );
            assert!(SamConfig::by_name(published.model).is_ok(), "{name}");
            let digits = match published.checksum {
                PublishedChecksum::Sha256(_) => 64,
                PublishedChecksum::Md5(_) => 32,
            };
            let hex = published.checksum.hex();
            assert_eq!(hex.len(), digits, "{name}");
            assert!(hex.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
            assert!(!published.urls.is_empty(), "{name}");
            for url in published.urls {
                assert!(url.starts_with("https://"), "{url}");
                assert!(url.ends_with(published.file_name), "{url}");
            }
            assert_eq!(PublishedCheckpoint::by_name(name), Some(published));
        }
        assert_eq!(PublishedCheckpoint::by_name("sam_vit_x"), None);
    }

    #[test]
    fn sizes_are_those_of_the_models_and_a_little_more() {
        for published in PUBLISHED {
            let Some(bytes) = published.bytes else {
                continue;
            };
            // Parameters of the paper's models, in millions, as 4-byte floats; the container adds under a tenth.
            let millions = match published.model {
                "sam_vit_b" => 93.7,
                "sam_vit_l" => 312.3,
                "sam_vit_h" => 641.1,
                other => panic!("{other}"),
            };
            let ratio = bytes as f64 / (4e6 * millions);
            assert!((1.0..1.1).contains(&ratio), "{}: {ratio}", published.name);
        }
    }
}
