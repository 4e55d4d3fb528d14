//! Runs an ONNX model on inputs of ones: `cargo run --release --example run_onnx -- model.onnx [SIZE]`.
//!
//! SIZE stands for every dimension that the model leaves open, but for the first, which is one.

use std::{env, error::Error, time::Instant};

use runtime::{DType, Dim, LoadOptions, Model, Session, SessionOptions, Tensor, ValueInfo, map_file};

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("usage: run_onnx MODEL [SIZE]")?;
    let size = env::args().nth(2).map_or(Ok(16), |size| size.parse())?;
    let start = Instant::now();
    let model = Model::load(map_file(&path)?, &LoadOptions::default())?;
    let session = Session::new(&model, &SessionOptions::default())?;
    println!("ready after {:.1?}", start.elapsed());
    let inputs = session.inputs().iter().map(|info| Ok((info.name.as_str(), ones(info, size)?)));
    let inputs = inputs.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    for _ in 0..10 {
        let start = Instant::now();
        let outputs = session.run(&inputs)?;
        println!("ran in {:.2?}", start.elapsed());
        for (name, tensor) in outputs {
            println!("{name}: {tensor:?}");
        }
    }
    Ok(())
}

fn ones(info: &ValueInfo, size: usize) -> Result<Tensor, Box<dyn Error>> {
    let open = |index| if index == 0 { 1 } else { size };
    let dims = info.shape.iter().flatten().enumerate();
    let shape = dims.map(|(index, dim)| if let Dim::Fixed(size) = dim { *size } else { open(index) });
    let shape = shape.collect::<Vec<_>>();
    let count = shape.iter().product();
    Ok(match info.dtype {
        Some(DType::F32) => Tensor::from_f32(&shape, vec![1.; count])?,
        Some(DType::I64) => Tensor::from_i64(&shape, vec![1; count])?,
        other => return Err(format!("no ones of type {other:?}").into()),
    })
}
