//! A graph that turns token ids into one vector a token: its inputs and output found by name, and checked.

use runtime::{DType, Dim, Model, Session, SessionOptions, Tensor, ValueInfo};

use crate::{
    Error, ErrorKind, LoadOptions, ModelFiles, RunOptions,
    batch::{Role, tensor},
    config::Lengths,
    files,
    tokenizer::Tokens,
};

/// A loaded encoder.
#[derive(Debug)]
pub(crate) struct Encoder {
    session: Session,
    inputs: Vec<(String, Role, DType)>,
    /// The index and name of the output with the vectors.
    output: (usize, String),
    /// The number of tokens that the graph insists on.
    width: Option<usize>,
    alone: bool,
}

/// The vectors of one batch.
#[derive(Debug)]
pub(crate) struct Hidden {
    pub(crate) values: Tensor,
    /// Numbers of one vector.
    pub(crate) width: usize,
}

impl Encoder {
    pub(crate) fn load(files: &dyn ModelFiles, options: &LoadOptions) -> Result<Self, Error> {
        let path = &options.onnx_file;
        let failed = |error| Error::from_runtime(format!("cannot load {path}"), error);
        let limits = options.runtime_limits.clone();
        let model =
            Model::load(files::required(files, path)?, &runtime::LoadOptions { limits }).map_err(failed)?;
        let session_options = SessionOptions { engine: options.engine, ..Default::default() };
        let session = Session::new(&model, &session_options).map_err(failed)?;

        let mut inputs = Vec::new();
        let mut fixed = [None, None];
        for input in model.inputs() {
            let role = role(input, path)?;
            inputs.push((input.name.clone(), role, input_type(input, path)?));
            let Some(shape) = &input.shape else { continue };
            let [batch, tokens] = shape.as_slice() else {
                return Err(Error::invalid(format!(
                    "{path}: the input {input} does not have two dimensions"
                )));
            };
            for (fixed, dim) in fixed.iter_mut().zip([batch, tokens]) {
                if let Dim::Fixed(size) = dim {
                    *fixed = Some(*size);
                }
            }
        }
        if !inputs.iter().any(|(_, role, _)| *role == Role::Ids) {
            return Err(Error::invalid(format!("{path} has no input called input_ids")));
        }
        let [batch, width] = fixed;
        if batch.is_some_and(|batch| batch != 1) || width == Some(0) {
            let message = format!("{path} takes only batches of one fixed size, which is not supported");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        // With scales chosen anew for each tensor, a text's answer would depend on the texts beside it.
        let quantises = model.operators().iter().any(|operator| operator.name == "DynamicQuantizeLinear");
        let output = output(model.outputs(), path)?;
        Ok(Self { inputs, output, width, alone: quantises || batch.is_some(), session })
    }

    /// Returns the number of tokens that every text must be padded to, where the graph has one.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Returns whether texts must be computed one by one.
    pub(crate) fn alone(&self) -> bool {
        self.alone
    }

    /// Computes the vectors `[texts, width, numbers]` of a batch.
    pub(crate) fn run(
        &self,
        texts: &[&Tokens],
        width: usize,
        lengths: &Lengths,
        options: &RunOptions,
    ) -> Result<Hidden, Error> {
        let inputs = self.inputs.iter().map(|(name, role, dtype)| {
            Ok::<_, Error>((name.as_str(), tensor(*role, *dtype, texts, width, lengths)?))
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let run_options = runtime::RunOptions { deadline: options.deadline };
        let outputs = self.session.run_with(&inputs, &run_options);
        let outputs = outputs.map_err(|error| Error::from_runtime("the model cannot be computed", error))?;

        let (index, name) = &self.output;
        let wrong = |is: String| {
            Error::invalid(format!("the graph's output {name} is {is}, not vectors of floats, one a token"))
        };
        let (_, values) = outputs.into_iter().nth(*index).ok_or_else(|| wrong("missing".to_owned()))?;
        let vector = match *values.shape() {
            [batch, tokens, vector] if batch == texts.len() && tokens == width && vector > 0 => vector,
            ref shape => return Err(wrong(format!("of shape {shape:?}"))),
        };
        match values.as_f32() {
            None => Err(wrong(format!("of type {}", values.dtype()))),
            Some(values) if !values.iter().all(|value| value.is_finite()) => Err(Error::new(
                ErrorKind::Run,
                format!("the graph's output {name} has numbers that are not finite"),
            )),
            Some(_) => Ok(Hidden { values, width: vector }),
        }
    }
}

fn role(input: &ValueInfo, path: &str) -> Result<Role, Error> {
    match input.name.as_str() {
        "input_ids" => Ok(Role::Ids),
        "attention_mask" => Ok(Role::Mask),
        "token_type_ids" => Ok(Role::Types),
        _ => {
            let message = format!(
                "{path} needs the input {input}; feature extraction gives input_ids, attention_mask and token_type_ids"
            );
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }
}

fn input_type(input: &ValueInfo, path: &str) -> Result<DType, Error> {
    match input.dtype {
        Some(DType::I32) => Ok(DType::I32),
        Some(DType::I64) | None => Ok(DType::I64),
        Some(_) => {
            Err(Error::new(ErrorKind::Unsupported, format!("{path}: the input {input} is not of integers")))
        }
    }
}

/// Finds the output with one vector a token: by the names that exporters give it, else the only one there is.
fn output(outputs: &[ValueInfo], path: &str) -> Result<(usize, String), Error> {
    let named = ["last_hidden_state", "token_embeddings", "hidden_states"]
        .iter()
        .find_map(|name| outputs.iter().position(|output| output.name == *name));
    match (named, outputs) {
        (Some(index), _) => Ok((index, outputs[index].name.clone())),
        (None, [only]) => Ok((0, only.name.clone())),
        (None, _) => {
            let names = outputs.iter().map(|output| output.name.as_str()).collect::<Vec<_>>().join(", ");
            Err(Error::invalid(format!("{path} has no output called last_hidden_state; it has {names}")))
        }
    }
}
