//! Damaged files: whatever is cut or flipped in a model, loading and running it gives an answer or an error.

use proptest::prelude::*;
use runtime::{DType, Dim, Error, ErrorKind, Limits, LoadOptions, Model, Session, SessionOptions, Tensor};
use testkit::onnx::{embedding_model, embedding_model_int8};

/// Loads, prepares and runs a model, on ones of whatever shape it asks for.
fn run(bytes: Vec<u8>) -> Result<(), Error> {
    let limits =
        Limits { run_bytes: 64 << 20, decoded_bytes: 64 << 20, elements: 1 << 24, ..Limits::default() };
    let model = Model::load(bytes, &LoadOptions { limits })?;
    let session = Session::new(&model, &SessionOptions::default())?;
    let ones = session.inputs().iter().map(|info| {
        let dims = info.shape.iter().flatten();
        let size = |dim: &Dim| if let Dim::Fixed(size) = dim { (*size).min(4) } else { 3 };
        let shape: Vec<usize> = dims.map(size).take(8).collect();
        let count = shape.iter().product();
        let tensor = match info.dtype {
            Some(DType::F32) => Tensor::from_f32(&shape, vec![1.; count]),
            Some(DType::I32) => Tensor::new(&shape, vec![1i32; count]),
            _ => Tensor::from_i64(&shape, vec![1; count]),
        };
        (info.name.as_str(), tensor.expect("as many ones as the shape takes"))
    });
    session.run(&ones.collect::<Vec<_>>()).map(|_| ())
}

/// A caught panic is a bug, even though it is only an error to a caller.
fn is_no_bug(result: &Result<(), Error>) -> bool {
    !matches!(result, Err(error) if error.kind() == ErrorKind::Internal)
}

#[test]
fn a_model_cut_short_anywhere_is_an_error() {
    let whole = embedding_model();
    run(whole.clone()).expect("the whole model runs");
    // Every length of the first part, where the structure is dense, and then a sample.
    let lengths = (0..whole.len().min(2000)).chain((2000..whole.len()).step_by(97));
    for length in lengths {
        let result = run(whole[..length].to_vec());
        assert!(result.is_err() && is_no_bug(&result), "cut after {length} bytes: {result:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flipped_bits_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4), quantised in any::<bool>()) {
        let mut bytes = if quantised { embedding_model_int8() } else { embedding_model() };
        for (index, bit) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= 1 << bit;
        }
        let result = run(bytes);
        prop_assert!(is_no_bug(&result), "{result:?}");
    }

    #[test]
    fn replaced_bytes_never_panic(start in any::<prop::sample::Index>(), replacement in prop::collection::vec(any::<u8>(), 1..12)) {
        let mut bytes = embedding_model();
        let start = start.index(bytes.len());
        bytes.splice(start..(start + replacement.len()).min(bytes.len()), replacement);
        let result = run(bytes);
        prop_assert!(is_no_bug(&result), "{result:?}");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let result = run(bytes);
        prop_assert!(result.is_err() && is_no_bug(&result), "{result:?}");
    }
}
