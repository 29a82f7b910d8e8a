//! Overlays: an image with the prediction drawn on it, for eyes.

pub mod shapes;

use salt_data::{IGNORE_LABEL, ImageRgb, LabelMap};

/// Colours of foreground classes 1, 2, ... (repeating): distinct for colour-blind readers
/// (Okabe and Ito 2008).
const CLASS_COLOURS: [[u8; 3]; 7] = [
    [0, 158, 115],
    [230, 159, 0],
    [86, 180, 233],
    [204, 121, 167],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
];
const MISSED: [u8; 3] = [0, 114, 178];
const FALSE_ALARM: [u8; 3] = [213, 94, 0];

/// Blend the prediction over the image. With a reference, agreement has the colour of the class,
/// missed pixels are blue and false alarms vermilion.
///
/// # Panics
/// When the sizes differ.
pub fn draw(image: &ImageRgb, prediction: &LabelMap, reference: Option<&LabelMap>) -> ImageRgb {
    let same = |m: &LabelMap| (m.width, m.height) == (image.width, image.height);
    assert!(
        same(prediction) && reference.is_none_or(same),
        "overlay of maps of another size"
    );
    let mut data = image.data.clone();
    for (i, pixel) in data.chunks_exact_mut(3).enumerate() {
        let predicted = prediction.classes[i];
        let wanted = reference.map(|r| r.classes[i]);
        if let Some(colour) = colour(predicted, wanted) {
            for (value, paint) in pixel.iter_mut().zip(colour) {
                // One third image, two thirds paint: thin lines stay visible.
                *value = ((u16::from(*value) + 2 * u16::from(paint)) / 3) as u8;
            }
        }
    }
    ImageRgb {
        width: image.width,
        height: image.height,
        data,
    }
}

fn colour(predicted: u8, wanted: Option<u8>) -> Option<[u8; 3]> {
    let class = |label: u8| CLASS_COLOURS[(usize::from(label) - 1) % CLASS_COLOURS.len()];
    match (predicted, wanted) {
        (_, Some(IGNORE_LABEL)) | (0, None | Some(0)) => None,
        (p, None) => Some(class(p)),
        (p, Some(w)) if p == w => Some(class(p)),
        (0, Some(_)) => Some(MISSED),
        (_, Some(_)) => Some(FALSE_ALARM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_misses_and_false_alarms_have_their_own_colour() {
        let image = ImageRgb {
            width: 5,
            height: 1,
            data: vec![30; 15],
        };
        let map = |classes: [u8; 5]| LabelMap {
            width: 5,
            height: 1,
            classes: classes.to_vec(),
        };
        let out = draw(&image, &map([0, 1, 0, 1, 1]), Some(&map([0, 1, 1, 0, 255])));
        let pixels: Vec<&[u8]> = out.data.chunks(3).collect();
        assert_eq!(pixels[0], [30, 30, 30]);
        assert_eq!(pixels[1], [10, 115, 86]);
        assert_eq!(pixels[2], [10, 86, 128]);
        assert_eq!(pixels[3], [152, 72, 10]);
        assert_eq!(pixels[4], [30, 30, 30]);
    }

    #[test]
    fn without_reference_every_class_has_its_colour() {
        let image = ImageRgb {
            width: 2,
            height: 1,
            data: vec![0; 6],
        };
        let map = LabelMap {
            width: 2,
            height: 1,
            classes: vec![1, 2],
        };
        let out = draw(&image, &map, None);
        assert_ne!(out.data[..3], out.data[3..]);
    }
}
