//! What a run computes on, and whether its recipe can be shared by that many devices.

use burn::tensor::Device;

use crate::error::TrainError;
use crate::recipe::Recipe;

/// Facts only the program knows.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where the model lives, is updated and evaluated; with or without autodiff.
    pub device: Device,
    /// Further devices, which compute the gradients of their part of every batch; empty for one device. A device that
    /// is named twice has two copies of the model.
    pub others: Vec<Device>,
    /// The devices in words, for `result.json`.
    pub name: String,
    /// Commit of the program, for `result.json`.
    pub commit: Option<String>,
}

impl Machine {
    /// All devices, with autodiff; the first is where the model lives.
    pub(crate) fn devices(&self) -> Vec<Device> {
        std::iter::once(&self.device)
            .chain(&self.others)
            .map(|device| device.clone().autodiff())
            .collect()
    }

    /// The recipe of a run that begins here. Where it cuts a batch into fewer parts than there are devices, it cuts it
    /// into as many from now on; the second value says so.
    ///
    /// # Errors
    /// [`TrainError::MoreDevicesThanSamples`].
    pub(crate) fn share(&self, recipe: &Recipe) -> Result<(Recipe, Option<String>), TrainError> {
        let devices = self.check_samples(recipe)?;
        let mut shared = recipe.clone();
        let shards = recipe.train.shards;
        if shards >= devices {
            return Ok((shared, None));
        }
        shared.train.shards = devices;
        let note = format!(
            "train.shards = {shards} of the recipe is {devices} in this run, one part of a batch for each device; terms of \
             the loss that count over a batch count over each part"
        );
        Ok((shared, Some(note)))
    }

    /// Whether a run that began elsewhere can go on here.
    ///
    /// # Errors
    /// [`TrainError::MoreDevicesThanSamples`] and [`TrainError::MoreDevicesThanShards`].
    pub(crate) fn check_resumed(&self, recipe: &Recipe) -> Result<(), TrainError> {
        let devices = self.check_samples(recipe)?;
        let shards = recipe.train.shards;
        match devices > shards {
            true => Err(TrainError::MoreDevicesThanShards { devices, shards }),
            false => Ok(()),
        }
    }

    fn check_samples(&self, recipe: &Recipe) -> Result<usize, TrainError> {
        let devices = 1 + self.others.len();
        let batch_size = recipe.train.batch_size;
        match devices > batch_size {
            true => Err(TrainError::MoreDevicesThanSamples {
                devices,
                batch_size,
            }),
            false => Ok(devices),
        }
    }
}
