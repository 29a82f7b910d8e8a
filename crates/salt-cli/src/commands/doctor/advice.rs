//! What follows from what was found.

use super::Findings;

/// Memory in MiB below which training SAM ViT-B at 512 px is likely to fail: a SALT step on one image
/// took 2.96 GB on flex (measured), beside weights, optimiser and data.
const VIT_B_MB: u64 = 6_000;

/// Lines for a person, most useful first.
pub(super) fn of(findings: &Findings) -> Vec<String> {
    let compiled = |name: &str| {
        findings
            .devices
            .iter()
            .any(|d| d.name == name && d.compiled)
    };
    let there = |library: &str| {
        let mut drivers = findings.drivers.iter();
        drivers.any(|driver| driver.library == library && driver.path.is_some())
    };
    let build = |feature: &str| format!("cargo build --release -p salt-cli --features {feature}");
    let mut advice = Vec::new();
    if there("libcuda.so") {
        if !compiled("cuda") {
            advice.push(format!(
                "an NVIDIA driver is installed, but this program cannot use it; build one that can: {}",
                build("cuda")
            ));
        } else if !there("libnvrtc.so") {
            advice.push(
                "--device cuda:0 compiles its kernels with NVRTC, which was not found; install the \
                 CUDA toolkit's libnvrtc, or set CUDA_PATH"
                    .to_owned(),
            );
        } else {
            advice.push("give --device cuda:0 to compute on the NVIDIA GPU".to_owned());
        }
    } else if compiled("cuda") {
        advice.push("--device cuda:0 needs an NVIDIA driver, which was not found".to_owned());
    }
    if compiled("vulkan") && !there("libvulkan.so") {
        advice.push("--device vulkan needs a Vulkan loader, which was not found".to_owned());
    }
    if cfg!(debug_assertions) {
        advice.push(
            "this is a debug build, which is slow: cargo build --release -p salt-cli".to_owned(),
        );
    }
    if findings.processor.cores == 1 {
        advice.push("one core: reading images and training take turns".to_owned());
    }
    if let Some(memory) = findings
        .memory
        .as_ref()
        .filter(|memory| memory.total_mb < VIT_B_MB)
    {
        advice.push(format!(
            "{} MiB of memory suffice for sam_nano, hardly for sam_vit_b: keep model.image_size and \
             train.batch_size small",
            memory.total_mb
        ));
    }
    if findings.embedded_base.model.is_none() {
        advice.push(
            "this build carries no base model; make one with salt pretrain, and name it in \
             model.weights"
                .to_owned(),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::super::drivers::Driver;
    use super::super::machine::{Memory, Processor};
    use super::super::{BaseFacts, DeviceFacts};
    use super::*;

    fn findings(compiled: &[&str], found: &[&str]) -> Findings {
        let device = |name: &'static str| DeviceFacts {
            name,
            about: "",
            feature: name,
            compiled: compiled.contains(&name),
        };
        let driver = |library: &'static str| Driver {
            library,
            for_device: "",
            path: found.contains(&library).then(|| library.into()),
        };
        Findings {
            version: "1",
            commit: None,
            devices: ["flex", "vulkan", "cuda"].map(device).into(),
            drivers: ["libcuda.so", "libnvrtc.so", "libvulkan.so"]
                .map(driver)
                .into(),
            processor: Processor {
                cores: 2,
                architecture: "x86_64",
                features: Vec::new(),
            },
            memory: Some(Memory {
                total_mb: 64_000,
                available_mb: 1,
            }),
            embedded_base: BaseFacts {
                model: Some("sam_nano".into()),
                parameters: Some(1),
            },
            advice: Vec::new(),
        }
    }

    fn check(compiled: &[&str], found: &[&str], expected: &str) {
        let text = of(&findings(compiled, found)).join("\n");
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn advice_compares_drivers_with_features() {
        check(&["flex"], &["libcuda.so"], "--features cuda");
        check(&["cuda"], &[], "needs an NVIDIA driver");
        check(&["cuda"], &["libcuda.so"], "NVRTC");
        check(
            &["cuda"],
            &["libcuda.so", "libnvrtc.so"],
            "give --device cuda:0",
        );
        check(&["vulkan"], &[], "Vulkan loader");
    }

    #[test]
    fn little_memory_and_a_missing_base_are_said() {
        let mut findings = findings(&["flex"], &[]);
        findings.memory = Some(Memory {
            total_mb: 2_000,
            available_mb: 1,
        });
        findings.embedded_base.model = None;
        let text = of(&findings).join("\n");
        assert!(
            text.contains("2000 MiB") && text.contains("salt pretrain"),
            "{text}"
        );
    }
}
