//! `--point` and `--box`: from words to the tensors of a prompt.

use std::str::FromStr;

use burn::tensor::{Device, Int, Tensor, TensorData};
use salt_sam::Prompts;

use crate::failure::Failure;

/// `X,Y[,LABEL]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PointPrompt {
    x_px: f32,
    y_px: f32,
    /// 1 on the object, 0 beside it.
    label: u8,
}

/// `X0,Y0,X1,Y1`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BoxPrompt {
    corners_px: [f32; 4],
}

/// What is asked of one image: points and box together mean one object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prompt {
    points: Vec<PointPrompt>,
    bounds: Option<BoxPrompt>,
}

impl FromStr for PointPrompt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected X,Y or X,Y,LABEL with label 0 or 1, received `{text}`");
        let (x_px, y_px, label) = match numbers(text).ok_or_else(wrong)?[..] {
            [x, y] => (x, y, 1.0),
            [x, y, label] => (x, y, label),
            _ => return Err(wrong()),
        };
        let label = match label {
            0.0 => 0,
            1.0 => 1,
            _ => return Err(wrong()),
        };
        Ok(Self { x_px, y_px, label })
    }
}

impl FromStr for BoxPrompt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected X0,Y0,X1,Y1 with X0 < X1 and Y0 < Y1, received `{text}`");
        match numbers(text).ok_or_else(wrong)?[..] {
            [x0, y0, x1, y1] if x0 < x1 && y0 < y1 => Ok(Self {
                corners_px: [x0, y0, x1, y1],
            }),
            _ => Err(wrong()),
        }
    }
}

/// Finite numbers, separated by commas.
fn numbers(text: &str) -> Option<Vec<f32>> {
    let number = |part: &str| part.trim().parse().ok().filter(|n: &f32| n.is_finite());
    text.split(',').map(number).collect()
}

impl Prompt {
    /// Refuse what lies outside of an image of `[width, height]` pixels.
    pub(super) fn new(
        points: &[PointPrompt],
        bounds: Option<BoxPrompt>,
        size: [usize; 2],
    ) -> Result<Self, Failure> {
        let [width, height] = size;
        let inside = |x: f32, y: f32, slack: f32| {
            (0.0..width as f32 + slack).contains(&x) && (0.0..height as f32 + slack).contains(&y)
        };
        let outside = |what: &str, x: f32, y: f32| {
            Failure::usage(
                format!(
                    "{what} {x},{y} is outside of the image, which is {width} x {height} pixels (width x height)"
                ),
                format!("x runs from 0 to {}, y from 0 to {}", width - 1, height - 1),
            )
        };
        if let Some(point) = points
            .iter()
            .find(|point| !inside(point.x_px, point.y_px, 0.0))
        {
            return Err(outside("point", point.x_px, point.y_px));
        }
        if let Some(BoxPrompt {
            corners_px: [x0, y0, x1, y1],
        }) = bounds
        {
            for (x, y) in [(x0, y0), (x1, y1)] {
                // The far edges of the last pixels belong to the image.
                if !inside(x, y, 0.5) {
                    return Err(outside("box corner", x, y));
                }
            }
        }
        Ok(Self {
            points: points.to_vec(),
            bounds,
        })
    }

    /// In pixels of the network's input, which is the image times `scale` (x, y).
    pub(super) fn to_tensors(&self, scale: [f32; 2], device: &Device) -> Prompts {
        let mut prompts = Prompts::default();
        let n = self.points.len();
        if n > 0 {
            let coords = self
                .points
                .iter()
                .flat_map(|p| [p.x_px * scale[0], p.y_px * scale[1]]);
            let coords = TensorData::new(coords.collect::<Vec<f32>>(), [1, n, 2]);
            let labels: Vec<i64> = self.points.iter().map(|p| i64::from(p.label)).collect();
            let labels = TensorData::new(labels, [1, n]);
            prompts = prompts.with_points(
                Tensor::from_data(coords, device),
                Tensor::<2, Int>::from_data(labels, device),
            );
        }
        if let Some(BoxPrompt { corners_px }) = self.bounds {
            let corners: Vec<f32> = corners_px
                .iter()
                .zip(scale.iter().cycle())
                .map(|(c, s)| c * s)
                .collect();
            prompts =
                prompts.with_boxes(Tensor::from_data(TensorData::new(corners, [1, 4]), device));
        }
        prompts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_boxes_are_read() {
        let point = |x_px, y_px, label| Ok(PointPrompt { x_px, y_px, label });
        assert_eq!("3,4".parse(), point(3.0, 4.0, 1));
        assert_eq!("3, 4.5, 0".parse(), point(3.0, 4.5, 0));
        let bounds = BoxPrompt {
            corners_px: [1.0, 2.0, 3.0, 4.0],
        };
        assert_eq!("1,2,3,4".parse(), Ok(bounds));
        for wrong in ["", "3", "3,4,2", "3,4,-1", "a,b", "3,nan", "3,4,1,1"] {
            assert!(wrong.parse::<PointPrompt>().is_err(), "{wrong}");
        }
        for wrong in ["1,2,3", "3,2,1,4", "1,4,3,2", "1,2,1,4", "1,2,3,inf"] {
            assert!(wrong.parse::<BoxPrompt>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_lies_outside_of_the_image_is_refused() {
        let check = |point: &str, bounds: &str, ok: bool| {
            let points = [point.parse().unwrap()];
            let prompt = Prompt::new(&points, Some(bounds.parse().unwrap()), [20, 10]);
            assert_eq!(prompt.is_ok(), ok, "{point} {bounds}");
        };
        check("19,9", "0,0,20,10", true);
        check("20,9", "0,0,20,10", false);
        check("19,-1", "0,0,20,10", false);
        check("19,9", "0,0,21,10", false);
        check("19,9", "-1,0,20,10", false);
    }

    #[test]
    fn coordinates_are_scaled_to_the_input() {
        let points = ["3,4,0".parse().unwrap(), "5,6".parse().unwrap()];
        let prompt = Prompt::new(&points, "1,2,3,4".parse().ok(), [20, 10]).unwrap();
        let prompts = prompt.to_tensors([2.0, 3.0], &Device::default());
        let (coords, labels) = prompts.points.unwrap();
        let coords: Vec<f32> = coords.into_data().iter::<f32>().collect();
        assert_eq!(coords, [6.0, 12.0, 10.0, 18.0]);
        assert_eq!(labels.into_data().iter::<i64>().collect::<Vec<_>>(), [0, 1]);
        let corners: Vec<f32> = prompts.boxes.unwrap().into_data().iter::<f32>().collect();
        assert_eq!(corners, [2.0, 6.0, 6.0, 12.0]);
    }
}
