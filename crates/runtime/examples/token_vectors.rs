//! Runs the model of the fixtures on three token ids, and shows the vectors that it gives them.

use runtime::{LoadOptions, Model, Session, SessionOptions, Tensor, map_file};

const MODEL: &str = "../../fixtures/hub/sentence-transformers/all-MiniLM-L6-v2/onnx/model_quantized.onnx";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(MODEL);
    let model = Model::load(map_file(path)?, &LoadOptions::default())?;
    let session = Session::new(&model, &SessionOptions::default())?;
    let row = |values: [i64; 3]| Tensor::from_i64(&[1, 3], values.to_vec());
    let (ids, mask, types) = (row([101, 7592, 102])?, row([1, 1, 1])?, row([0, 0, 0])?);
    let inputs = [("input_ids", ids), ("attention_mask", mask), ("token_type_ids", types)];
    for (name, tensor) in session.run(&inputs)? {
        println!("{name}: {tensor:?}");
    }
    Ok(())
}
