//! `--point` and `--box`: from words to the tensors of a prompt.

use std::str::FromStr;

use burn::tensor::{Device, Int, Tensor, TensorData};
use salt_data::ImageRgb;
use salt_sam::Prompts;
use salt_train::overlay::shapes;

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

/// The prompts of one image in its own pixels: all points and the box ask for one object.
pub(super) fn prompts(
    points: &[PointPrompt],
    bounds: Option<BoxPrompt>,
    device: &Device,
) -> Prompts {
    let mut prompts = Prompts::default();
    let n = points.len();
    if n > 0 {
        let coords: Vec<f32> = points.iter().flat_map(|p| [p.x_px, p.y_px]).collect();
        let coords = TensorData::new(coords, [1, n, 2]);
        let labels: Vec<i64> = points.iter().map(|p| i64::from(p.label)).collect();
        let labels = TensorData::new(labels, [1, n]);
        prompts = prompts.with_points(
            Tensor::from_data(coords, device),
            Tensor::<2, Int>::from_data(labels, device),
        );
    }
    if let Some(BoxPrompt { corners_px }) = bounds {
        prompts = prompts.with_boxes(Tensor::from_data([corners_px], device));
    }
    prompts
}

/// Draw what was asked: the box, and over it the points, green on the object and red beside it.
pub(super) fn draw(picture: &mut ImageRgb, points: &[PointPrompt], bounds: Option<BoxPrompt>) {
    if let Some(BoxPrompt { corners_px }) = bounds {
        shapes::rectangle(picture, corners_px, shapes::AROUND_OBJECT);
    }
    for point in points {
        let colour = match point.label {
            0 => shapes::BESIDE_OBJECT,
            _ => shapes::ON_OBJECT,
        };
        shapes::dot(picture, [point.x_px, point.y_px], colour);
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
            let asked = prompts(&points, bounds.parse().ok(), &Device::default());
            assert_eq!(asked.check_inside([20, 10]).is_ok(), ok, "{point} {bounds}");
        };
        check("19,9", "0,0,20,10", true);
        check("20,9", "0,0,20,10", false);
        check("19,-1", "0,0,20,10", false);
        check("19,9", "0,0,21,10", false);
        check("19,9", "-1,0,20,10", false);
    }

    #[test]
    fn points_and_a_box_become_one_prompt() {
        let points = ["3,4,0".parse().unwrap(), "5,6".parse().unwrap()];
        let prompts = prompts(&points, "1,2,3,4".parse().ok(), &Device::default());
        let (coords, labels) = prompts.points.unwrap();
        let coords: Vec<f32> = coords.into_data().iter::<f32>().collect();
        assert_eq!(coords, [3.0, 4.0, 5.0, 6.0]);
        assert_eq!(labels.into_data().iter::<i64>().collect::<Vec<_>>(), [0, 1]);
        let corners: Vec<f32> = prompts.boxes.unwrap().into_data().iter::<f32>().collect();
        assert_eq!(corners, [1.0, 2.0, 3.0, 4.0]);
    }
}
