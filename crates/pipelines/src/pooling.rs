//! From the vectors of tokens to the vector of a text.

use crate::{Pooling, RunOptions};

/// Returns the shape and the numbers for one text from the vectors of its tokens, each of `width` numbers.
///
/// There must be at least one token.
pub(crate) fn pool(tokens: &[f32], width: usize, options: &RunOptions) -> (Vec<usize>, Vec<f32>) {
    let count = tokens.len() / width;
    let (shape, mut values) = match options.pooling {
        Pooling::None => (vec![count, width], tokens.to_vec()),
        Pooling::Mean => (vec![width], mean(tokens, width, count)),
        Pooling::Cls => (vec![width], tokens[..width].to_vec()),
    };
    if options.normalize {
        for vector in values.chunks_exact_mut(width) {
            scale_to_one(vector);
        }
    }
    (shape, values)
}

fn mean(tokens: &[f32], width: usize, count: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; width];
    for token in tokens.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(token) {
            *sum += f64::from(*value);
        }
    }
    sums.into_iter().map(|sum| (sum / count as f64) as f32).collect()
}

/// Scales a vector to length 1; a vector of zeros stays.
fn scale_to_one(vector: &mut [f32]) {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    // The bound that PyTorch's `normalize` has, below which a vector counts as zero.
    let length = length.max(1e-12);
    for value in vector {
        *value = (f64::from(*value) / length) as f32;
    }
}
