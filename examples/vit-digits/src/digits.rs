//! Pictures of seven-segment digits, drawn by code: a seed gives the same pixels everywhere.

use std::f32::consts::TAU;

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Side of a picture.
pub const SIZE_PX: usize = 16;
/// The digits 0 to 9.
pub const CLASSES: usize = 10;

/// Both ends of the segments, `[x0, y0, x1, y1]`, of a digit one wide and two high around the
/// origin. y points down.
const SEGMENTS: [[f32; 4]; 7] = [
    [-0.5, -1.0, 0.5, -1.0],
    [0.5, -1.0, 0.5, 0.0],
    [0.5, 0.0, 0.5, 1.0],
    [-0.5, 1.0, 0.5, 1.0],
    [-0.5, 0.0, -0.5, 1.0],
    [-0.5, -1.0, -0.5, 0.0],
    [-0.5, 0.0, 0.5, 0.0],
];

/// The lit segments of every digit, the first segment in the lowest bit.
const LIT: [u8; CLASSES] = [0x3f, 0x06, 0x5b, 0x4f, 0x66, 0x6d, 0x7d, 0x07, 0x7f, 0x6f];

/// A kind of pictures.
#[derive(Clone, Copy, Debug)]
pub struct Domain {
    /// Dark digits on a bright ground instead of bright ones on a dark ground.
    pub inverted: bool,
    /// The least and the greatest angle of a digit, in turns.
    pub turns: [f32; 2],
    /// The greatest noise, either way; a digit differs from its ground by 1.
    pub noise: f32,
}

/// Labelled pictures.
#[derive(Clone, Debug)]
pub struct Digits {
    /// `[count, 1, SIZE_PX, SIZE_PX]`
    pub pictures: Tensor<4>,
    /// `[count]`
    pub labels: Tensor<1, Int>,
}

impl Domain {
    /// Draws pictures, of each digit as many as of any other.
    pub fn draw(&self, count: usize, seed: u64, device: &Device) -> Digits {
        let mut random = Random(seed);
        let mut pixels = Vec::with_capacity(count * SIZE_PX * SIZE_PX);
        for index in 0..count {
            self.draw_digit(index % CLASSES, &mut random, &mut pixels);
        }
        let labels: Vec<i64> = (0..count).map(|index| (index % CLASSES) as i64).collect();
        let pictures = TensorData::new(pixels, [count, 1, SIZE_PX, SIZE_PX]);
        Digits {
            pictures: Tensor::from_data(pictures, device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
        }
    }

    fn draw_digit(&self, digit: usize, random: &mut Random, pixels: &mut Vec<f32>) {
        let [least, greatest] = self.turns;
        let (sin, cos) = (random.between(least, greatest) * TAU).sin_cos();
        let [dx, dy] = [(); 2].map(|()| random.between(-1.0, 1.0));
        let scale_px = random.between(4.5, 5.5);
        let half_width_px = random.between(1.0, 1.6);
        let middle = (SIZE_PX - 1) as f32 / 2.0;
        for at in 0..SIZE_PX * SIZE_PX {
            let x = (at % SIZE_PX) as f32 - middle - dx;
            let y = (at / SIZE_PX) as f32 - middle - dy;
            let point = [x * cos + y * sin, y * cos - x * sin].map(|along| along / scale_px);
            let lit = (0..SEGMENTS.len()).filter(|segment| LIT[digit] >> segment & 1 == 1);
            let distance = lit
                .map(|segment| distance(point, SEGMENTS[segment]))
                .fold(f32::INFINITY, f32::min);
            // An edge one pixel wide.
            let ink = (half_width_px - distance * scale_px + 0.5).clamp(0.0, 1.0);
            let value = if self.inverted { 0.5 - ink } else { ink - 0.5 };
            pixels.push(value + random.between(-self.noise, self.noise));
        }
    }
}

/// How far a point is from a segment.
fn distance([x, y]: [f32; 2], [x0, y0, x1, y1]: [f32; 4]) -> f32 {
    let (along_x, along_y) = (x1 - x0, y1 - y0);
    let squared = along_x * along_x + along_y * along_y;
    let share = (((x - x0) * along_x + (y - y0) * along_y) / squared).clamp(0.0, 1.0);
    (x - x0 - share * along_x).hypot(y - y0 - share * along_y)
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    /// Uniform in `[0, 1)`.
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }
}
