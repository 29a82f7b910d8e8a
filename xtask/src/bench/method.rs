//! The rows of the benchmark: what each method's recipe says about adapter and training.
//!
//! A new method is one line in [`METHODS`]; `--methods`, the presets' checks and the order of the
//! tables follow from it.

/// A row of the benchmark.
#[derive(Debug)]
pub(crate) struct Method {
    /// Row name: what `--methods` takes and the tables show.
    pub(crate) name: &'static str,
    /// The recipe's `[adapter]` section.
    pub(crate) adapter: &'static str,
    /// What of the network learns.
    pub(crate) learns: Learns,
}

/// What of the network learns: the preset has a learning rate for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learns {
    /// Nothing: the base as it is.
    Nothing,
    /// A small part or a small update of the base.
    Adapter,
    /// The whole base.
    Everything,
    /// A network without a base.
    FromScratch,
}

/// Every method, in the order of the tables: from nothing trained to everything.
pub(crate) const METHODS: &[Method] = &[
    Method {
        name: "frozen",
        adapter: r#"method = "frozen""#,
        learns: Learns::Nothing,
    },
    Method {
        name: "norms",
        adapter: NORMS,
        learns: Learns::Adapter,
    },
    Method {
        name: "bias",
        adapter: BIAS,
        learns: Learns::Adapter,
    },
    Method {
        name: "decoder",
        adapter: DECODER,
        learns: Learns::Adapter,
    },
    Method {
        name: "ssam",
        adapter: SSAM,
        learns: Learns::Adapter,
    },
    Method {
        name: "svft",
        adapter: SVFT,
        learns: Learns::Adapter,
    },
    Method {
        name: "loraxs",
        adapter: LORAXS,
        learns: Learns::Adapter,
    },
    Method {
        name: "lora",
        adapter: LORA,
        learns: Learns::Adapter,
    },
    Method {
        name: "rslora",
        adapter: RSLORA,
        learns: Learns::Adapter,
    },
    Method {
        name: "pissa",
        adapter: PISSA,
        learns: Learns::Adapter,
    },
    Method {
        name: "olora",
        adapter: OLORA,
        learns: Learns::Adapter,
    },
    Method {
        name: "dora",
        adapter: DORA,
        learns: Learns::Adapter,
    },
    Method {
        name: "salt",
        adapter: SALT,
        learns: Learns::Adapter,
    },
    Method {
        name: "full",
        adapter: r#"method = "full""#,
        learns: Learns::Everything,
    },
    Method {
        name: "scratch",
        adapter: r#"method = "scratch""#,
        learns: Learns::FromScratch,
    },
    Method {
        name: "paper-ssam",
        adapter: SSAM,
        learns: Learns::Adapter,
    },
    Method {
        name: "paper-lora-4",
        adapter: PAPER_LORA_4,
        learns: Learns::Adapter,
    },
    Method {
        name: "paper-lora-256",
        adapter: PAPER_LORA_256,
        learns: Learns::Adapter,
    },
    Method {
        name: "paper-salt-4",
        adapter: PAPER_SALT_4,
        learns: Learns::Adapter,
    },
    Method {
        name: "paper-salt-256",
        adapter: PAPER_SALT_256,
        learns: Learns::Adapter,
    },
];

/// The method of that name.
pub(crate) fn by_name(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// Place of a method in the tables; methods of other programs come last.
pub(crate) fn order(name: &str) -> usize {
    METHODS
        .iter()
        .position(|method| method.name == name)
        .unwrap_or(METHODS.len())
}

/// The ablation that belongs in every comparison: all that the adapters train beside themselves.
const NORMS: &str = r#"
method = "norms"
modules_to_save = ["pos_embed", "prompt_token"]
"#;

const BIAS: &str = r#"
method = "bias"
modules_to_save = ["prompt_token"]
"#;

const DECODER: &str = r#"
method = "decoder"
modules_to_save = ["prompt_token"]
"#;

/// All singular values of the paper's layers: the small base and the paper's rows have the same.
const SSAM: &str = r#"
method = "ssam"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const LORA: &str = r#"
method = "lora"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
rank = 8
alpha = 8
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const SVFT: &str = r#"
method = "svft"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
band = 4
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const LORAXS: &str = r#"
method = "loraxs"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
rank = 64
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const RSLORA: &str = r#"
method = "rslora"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
rank = 8
alpha = 8
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const PISSA: &str = r#"
method = "pissa"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
rank = 8
alpha = 8
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const OLORA: &str = r#"
method = "olora"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
rank = 8
alpha = 8
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const DORA: &str = r#"
method = "dora"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
rank = 8
alpha = 8
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

/// Half the spectrum and an inner dimension of 8 suit the small base.
const SALT: &str = r#"
method = "salt"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
head_rank = 0.5
tail_rank = 8
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

// The settings of the paper (arXiv 2503.16055, tables 1 and 2) for the ViT-B encoder: attention,
// MLP and neck are adapted; SALT's head holds 760, 50 and 250 singular values there.

const PAPER_LORA_4: &str = r#"
method = "lora"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
rank = 4
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const PAPER_LORA_256: &str = r#"
method = "lora"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
rank = 256
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const PAPER_SALT_4: &str = r#"
method = "salt"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
head_rank = 760
tail_rank = 4
rank_pattern = { 'mlp\.lin[12]' = 50, 'neck\.[02]' = 250 }
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

const PAPER_SALT_256: &str = r#"
method = "salt"
targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
head_rank = 760
tail_rank = 256
rank_pattern = { 'mlp\.lin[12]' = 50, 'neck\.[02]' = 250 }
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_folder_name() {
        for (index, method) in METHODS.iter().enumerate() {
            assert_eq!(order(method.name), index);
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(method.name.chars().all(fits), "{}", method.name);
        }
        assert_eq!(order("of another program"), METHODS.len());
    }

    #[test]
    fn every_section_is_toml_and_names_its_method() {
        for method in METHODS {
            let adapter: toml::Table = method.adapter.parse().unwrap();
            let named = adapter["method"].as_str().unwrap();
            assert!(
                method.name.split('-').any(|part| part == named),
                "{}",
                method.name
            );
        }
    }
}
