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
    /// What its recipe's `[train]` section says beside the preset's.
    pub(crate) train: &'static str,
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
        learns: Learns::Nothing,
        ..adapter("frozen", r#"method = "frozen""#)
    },
    adapter("norms", NORMS),
    adapter("bias", BIAS),
    adapter("decoder", DECODER),
    adapter("ssam", SSAM),
    adapter("svft", SVFT),
    adapter("loraxs", LORAXS),
    adapter("lora", LORA),
    adapter("lora-budget", LORA_BUDGET),
    adapter("rslora", RSLORA),
    adapter("pissa", PISSA),
    adapter("olora", OLORA),
    adapter("dora", DORA),
    adapter("salt", SALT),
    adapter("salt-budget", SALT_BUDGET),
    Method {
        train: TAILS,
        ..adapter("salt-tails", SALT)
    },
    Method {
        learns: Learns::Everything,
        ..adapter("full", r#"method = "full""#)
    },
    Method {
        learns: Learns::FromScratch,
        ..adapter("scratch", r#"method = "scratch""#)
    },
    adapter("paper-ssam", SSAM),
    adapter("paper-lora-4", PAPER_LORA_4),
    adapter("paper-lora-256", PAPER_LORA_256),
    adapter("paper-salt-4", PAPER_SALT_4),
    adapter("paper-salt-256", PAPER_SALT_256),
];

const fn adapter(name: &'static str, adapter: &'static str) -> Method {
    Method {
        name,
        adapter,
        learns: Learns::Adapter,
        train: "",
    }
}

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

/// A section over the layers that the paper adapts, with what it trains beside them.
macro_rules! over_the_papers_layers {
    ($method:literal $(, $setting:literal)*) => {
        concat!(
            "method = \"",
            $method,
            "\"\n",
            $($setting, "\n",)*
            r#"targets = ['blocks\.\d+\.attn\.(qkv|proj)', 'blocks\.\d+\.mlp\.lin[12]', 'image_encoder\.neck\.[02]']
modules_to_save = ["norms", "pos_embed", "prompt_token"]
"#
        )
    };
}

/// LoRA and its kin, at the rank that suits the small base.
macro_rules! at_rank_8 {
    ($method:literal) => {
        over_the_papers_layers!($method, "rank = 8", "alpha = 8")
    };
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
const SSAM: &str = over_the_papers_layers!("ssam");

const LORA: &str = at_rank_8!("lora");

const SVFT: &str = over_the_papers_layers!("svft", "band = 4");

const LORAXS: &str = over_the_papers_layers!("loraxs", "rank = 64");

const RSLORA: &str = at_rank_8!("rslora");

const PISSA: &str = at_rank_8!("pissa");

const OLORA: &str = at_rank_8!("olora");

const DORA: &str = at_rank_8!("dora");

/// Half the spectrum and an inner dimension of 8 suit the small base.
const SALT: &str = over_the_papers_layers!("salt", "head_rank = 0.5", "tail_rank = 8");

/// The parameters of [`LORA`] on the small base, shared by the energy of the layers.
const LORA_BUDGET: &str = over_the_papers_layers!("lora", "rank_budget = 160256");

/// The parameters of [`SALT`] on the small base, shared by the energy of the tails.
const SALT_BUDGET: &str = over_the_papers_layers!("salt", "head_rank = 0.5", "rank_budget = 43776");

/// Tails exchange directions while they are trained.
const TAILS: &str = "tails = { every = 20 }";

// The settings of the paper (arXiv 2503.16055, tables 1 and 2) for the ViT-B encoder: attention,
// MLP and neck are adapted; SALT's head holds 760, 50 and 250 singular values there.

const PAPER_LORA_4: &str = over_the_papers_layers!("lora", "rank = 4");

const PAPER_LORA_256: &str = over_the_papers_layers!("lora", "rank = 256");

const PAPER_SALT_4: &str = over_the_papers_layers!(
    "salt",
    "head_rank = 760",
    "tail_rank = 4",
    r#"rank_pattern = { 'mlp\.lin[12]' = 50, 'neck\.[02]' = 250 }"#
);

const PAPER_SALT_256: &str = over_the_papers_layers!(
    "salt",
    "head_rank = 760",
    "tail_rank = 256",
    r#"rank_pattern = { 'mlp\.lin[12]' = 50, 'neck\.[02]' = 250 }"#
);

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
