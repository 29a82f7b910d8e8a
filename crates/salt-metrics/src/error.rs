//! What can be wrong with the arguments of a metric.

/// Why a metric could not be computed. A metric that is merely *undefined* (an empty mask) is
/// not an error: it is `None`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The slice does not hold one value per pixel.
    #[error(
        "expected {width} x {height} mask values, received {received}; \
         pass one bool per pixel, row after row, without padding"
    )]
    PixelCount {
        /// Declared width in pixels.
        width: usize,
        /// Declared height in pixels.
        height: usize,
        /// Length of the slice that came.
        received: usize,
    },
    /// One side of the mask is zero pixels long.
    #[error(
        "expected a mask of at least 1 x 1 pixels, received {width} x {height}; \
         leave images without pixels out of the data set"
    )]
    NoPixels {
        /// Declared width in pixels.
        width: usize,
        /// Declared height in pixels.
        height: usize,
    },
    /// Prediction and reference are not on the same grid.
    #[error(
        "expected a prediction of the reference's size {} x {} (width x height), received {} x {}; \
         bring the prediction back to the native resolution of the reference first",
        reference[0], reference[1], prediction[0], prediction[1]
    )]
    SizeMismatch {
        /// Width and height of the reference in pixels.
        reference: [usize; 2],
        /// Width and height of the prediction in pixels.
        prediction: [usize; 2],
    },
    /// A pixel spacing that is no length.
    #[error(
        "expected a positive, finite {axis} spacing, received {received}; \
         use 1.0 where the physical pixel size is unknown (distances are then in pixels)"
    )]
    Spacing {
        /// `"row"` or `"column"`.
        axis: &'static str,
        /// The value that came.
        received: f64,
    },
    /// A surface tolerance that is no distance.
    #[error(
        "expected a finite tolerance of at least 0, received {received}; \
         give it in the unit of the spacing, for example the distance between two annotators"
    )]
    Tolerance {
        /// The value that came.
        received: f64,
    },
}

/// Refuses a spacing that is not a length.
pub(crate) fn check_spacing(spacing: [f64; 2]) -> Result<(), MetricError> {
    for (axis, received) in ["row", "column"].into_iter().zip(spacing) {
        if !(received.is_finite() && received > 0.0) {
            return Err(MetricError::Spacing { axis, received });
        }
    }
    Ok(())
}

/// Refuses a tolerance that is not a distance.
pub(crate) fn check_tolerance(received: f64) -> Result<(), MetricError> {
    if received.is_finite() && received >= 0.0 {
        Ok(())
    } else {
        Err(MetricError::Tolerance { received })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_must_be_a_length() {
        assert_eq!(check_spacing([0.5, 2.0]), Ok(()));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = check_spacing([1.0, bad]).unwrap_err();
            assert!(matches!(error, MetricError::Spacing { axis: "column", .. }));
            assert!(
                error
                    .to_string()
                    .contains("positive, finite column spacing")
            );
            assert!(check_spacing([bad, 1.0]).is_err());
        }
    }

    #[test]
    fn tolerance_must_be_a_distance() {
        assert_eq!(check_tolerance(0.0), Ok(()));
        for bad in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(check_tolerance(bad).is_err());
        }
    }

    #[test]
    fn size_mismatch_says_what_to_do() {
        let error = MetricError::SizeMismatch {
            reference: [640, 480],
            prediction: [256, 256],
        };
        assert_eq!(
            error.to_string(),
            "expected a prediction of the reference's size 640 x 480 (width x height), received \
             256 x 256; bring the prediction back to the native resolution of the reference first"
        );
    }
}
