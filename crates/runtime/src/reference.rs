//! The reference engine: candle-onnx's evaluator, made safe to call.
//!
//! It reads the same bytes with its own messages, so that a mistake in reading them shows as a difference. What it
//! would read wrongly without noticing (sizes that disagree, numbers in fields it does not look at) is refused here,
//! before it sees the model; the rest of its faults are listed in the differential tests.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use candle_onnx::onnx::{AttributeProto, GraphProto, ModelProto, TensorProto, tensor_proto::DataType};
use prost::Message;

use crate::{
    DType, Error, ErrorKind, Model, RunOptions, SessionOptions, Tensor, ValueInfo,
    engine::{Engine, Prepared},
};

/// The operators that candle-onnx 0.11 has an arm for; all of the default domain, whatever the version.
const OPERATORS: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "Cos",
    "CumSum",
    "Div",
    "Dropout",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "GatherElements",
    "Gelu",
    "Gemm",
    "Greater",
    "GreaterOrEqual",
    "HardSwish",
    "Identity",
    "If",
    "LSTM",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "MatMul",
    "MaxPool",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "OneHot",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "RNN",
    "Range",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "ScatterND",
    "Selu",
    "Shape",
    "Sigmoid",
    "Sign",
    "Sin",
    "Size",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Tanh",
    "Tile",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Where",
    "Xor",
];

/// candle-onnx.
#[derive(Debug)]
pub(crate) struct CandleOnnx;

impl Engine for CandleOnnx {
    fn prepare(&self, model: &Model, _: &SessionOptions) -> Result<Box<dyn Prepared>, Error> {
        for operator in model.operators() {
            if !operator.domain.is_empty() || !OPERATORS.contains(&operator.name.as_str()) {
                let domain =
                    if operator.domain.is_empty() { String::new() } else { format!("{}::", operator.domain) };
                let message = format!("candle-onnx has no operator {domain}{}", operator.name);
                return Err(Error::new(ErrorKind::UnsupportedOperator, message));
            }
        }
        for input in model.inputs() {
            if !input.dtype.is_some_and(is_known) {
                return Err(unsupported(format!("candle-onnx takes no input such as {input}")));
            }
        }
        let proto = ModelProto::decode(model.bytes().clone())
            .map_err(|source| Error::invalid("candle-onnx cannot read the model").with_source(source))?;
        if let Some(graph) = &proto.graph {
            check_graph(graph)?;
        }
        let (inputs, outputs) = (model.inputs().to_vec(), model.outputs().to_vec());
        Ok(Box::new(Evaluator { proto, inputs, outputs }))
    }
}

struct Evaluator {
    proto: ModelProto,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator").field("inputs", &self.inputs).field("outputs", &self.outputs).finish()
    }
}

impl Prepared for Evaluator {
    /// Evaluates the whole graph; neither the deadline nor the limit on memory can be looked at on the way.
    fn run(&self, inputs: Vec<Tensor>, _: &RunOptions) -> Result<Vec<Tensor>, Error> {
        let mut values = HashMap::new();
        for (info, tensor) in self.inputs.iter().zip(&inputs) {
            values.insert(info.name.clone(), candle_core::Tensor::try_from(tensor)?);
        }
        let evaluated = catch_unwind(AssertUnwindSafe(|| candle_onnx::simple_eval(&self.proto, values)));
        let mut evaluated = match evaluated {
            Ok(Ok(values)) => values,
            Ok(Err(error)) => return Err(evaluation_error(&error)),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text =
                    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
                return Err(Error::new(ErrorKind::Run, format!("candle-onnx panicked: {text}")));
            }
        };
        let outputs = self.outputs.iter().map(|info| {
            let value = evaluated.remove(&info.name);
            let value = value.ok_or_else(|| {
                Error::new(ErrorKind::Run, format!("candle-onnx gives no output {:?}", info.name))
            })?;
            Ok(as_declared(Tensor::try_from(&value)?, info.dtype))
        });
        outputs.collect()
    }
}

/// Gives truth values and 32-bit integers back their type, which candle-onnx keeps as `u8` and `i64`.
fn as_declared(tensor: Tensor, declared: Option<DType>) -> Tensor {
    let shape = tensor.shape().to_vec();
    match declared {
        Some(DType::Bool) => match tensor.as_slice::<u8>() {
            Some(values) => Tensor::build(shape, values.iter().map(|value| *value != 0).collect()),
            None => tensor,
        },
        Some(DType::I32) => {
            let values =
                tensor.as_i64().map(|values| values.iter().map(|value| i32::try_from(*value)).collect());
            match values {
                Some(Ok(values)) => Tensor::build::<i32>(shape, values),
                _ => tensor,
            }
        }
        _ => tensor,
    }
}

/// Refuses the tensors of a graph that candle-onnx would read without looking at all of their data.
fn check_graph(graph: &GraphProto) -> Result<(), Error> {
    for tensor in &graph.initializer {
        check_tensor(tensor, true)?;
    }
    for node in &graph.node {
        for attribute in &node.attribute {
            check_attribute(attribute, node.op_type == "Constant")?;
        }
    }
    Ok(())
}

fn check_attribute(attribute: &AttributeProto, constant: bool) -> Result<(), Error> {
    if let Some(tensor) = &attribute.t {
        check_tensor(tensor, constant)?;
    }
    for graph in attribute.g.iter().chain(&attribute.graphs) {
        check_graph(graph)?;
    }
    Ok(())
}

/// Checks that the data lies where candle-onnx looks for it, and that there is as much of it as the shape says.
///
/// Of attributes it reads only `raw_data`; of initialisers and `Constant` nodes also the typed fields of floats and
/// 64-bit integers, and 32-bit integers as 64-bit ones, without their shape.
fn check_tensor(tensor: &TensorProto, initializer: bool) -> Result<(), Error> {
    let name = &tensor.name;
    let kind = DataType::try_from(tensor.data_type).ok();
    let (size, typed) = match kind {
        Some(DataType::Uint8 | DataType::Bool) => (1, 0),
        Some(DataType::Float16) => (2, 0),
        Some(DataType::Float) => (4, tensor.float_data.len()),
        Some(DataType::Uint32) => (4, 0),
        Some(DataType::Int64) => (8, tensor.int64_data.len()),
        Some(DataType::Double) => (8, tensor.double_data.len()),
        Some(DataType::Int32) if initializer => (4, tensor.int32_data.len()),
        _ => {
            return Err(unsupported(format!(
                "candle-onnx does not read the element type of tensor {name:?}"
            )));
        }
    };
    if tensor.data_location != 0 {
        return Err(unsupported(format!("candle-onnx does not read the external data of tensor {name:?}")));
    }
    if kind == Some(DataType::Int32) && tensor.dims.len() != 1 {
        return Err(unsupported(format!("candle-onnx loses the shape of the i32 tensor {name:?}")));
    }
    let typed = if initializer { typed } else { 0 };
    let elements =
        tensor.dims.iter().try_fold(1_usize, |all, dim| all.checked_mul(usize::try_from(*dim).ok()?));
    let there = if typed > 0 { Some(typed) } else { tensor.raw_data.len().checked_div(size) };
    let whole = typed > 0 || tensor.raw_data.len().is_multiple_of(size);
    if !whole || elements.is_none() || elements != there {
        return Err(unsupported(format!(
            "candle-onnx does not read the data of tensor {name:?} where it lies"
        )));
    }
    Ok(())
}

/// Returns whether candle-onnx takes inputs of this type.
fn is_known(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64 | DType::F16 | DType::I64 | DType::U8 | DType::U32 | DType::Bool)
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

/// candle's errors carry a backtrace and whole nodes; only the first line says what is wrong.
fn evaluation_error(error: &candle_core::Error) -> Error {
    let text = error.to_string();
    let first: String = text.lines().next().unwrap_or_default().chars().take(300).collect();
    let unable = ["unsupported", "not supported", "not implemented", "is supported"];
    let kind =
        if unable.iter().any(|word| first.contains(word)) { ErrorKind::Unsupported } else { ErrorKind::Run };
    Error::new(kind, format!("candle-onnx cannot compute the model: {first}"))
}
