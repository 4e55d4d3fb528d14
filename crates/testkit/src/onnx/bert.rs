//! A BERT encoder of any size as exporters write it: LayerNorm, GELU and attention spelt out in primitive operators.

use super::{Array, Attribute, DataType, Graph};

/// The sizes of an encoder.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests choose every size")]
pub struct BertSize {
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// Width of a token's vector; a multiple of `heads`.
    pub hidden: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Number of layers.
    pub layers: usize,
    /// Width of the feed-forward part.
    pub intermediate: usize,
    /// Longest input, in tokens.
    pub positions: usize,
}

/// How weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weights {
    /// 32-bit floats.
    F32,
    /// 8-bit integers with dynamic quantisation of activations: `DynamicQuantizeLinear` and `MatMulInteger`,
    /// by turns signed with one scale a matrix and unsigned with a scale and zero point a column. The word
    /// vectors go through `DequantizeLinear`.
    Int8,
}

/// Builds an encoder with pseudo-random weights that depend on `seed` alone (opset 14).
///
/// Inputs `input_ids`, `attention_mask` and `token_type_ids`: int64 `[batch, tokens]`; output `last_hidden_state`:
/// float32 `[batch, tokens, hidden]`. The same seed gives the two kinds of weights nearly the same answers.
pub fn bert(size: BertSize, weights: Weights, seed: u64) -> Vec<u8> {
    let mut encoder =
        Encoder { graph: Graph::new(14), size, weights, random: seed ^ 0x9e37_79b9_7f4a_7c15, matrices: 0 };
    let tokens = || ["batch".into(), "tokens".into()];
    for name in ["input_ids", "attention_mask", "token_type_ids"] {
        encoder.graph.input(name, DataType::I64, tokens());
    }
    let mut x = encoder.embeddings();
    let mask = encoder.mask();
    for _ in 0..size.layers {
        let attention = encoder.attention(&x, &mask);
        let sum = encoder.graph.op("Add", &[&attention, &x], &[]);
        x = encoder.layer_norm(&sum);
        let forward = encoder.feed_forward(&x);
        let sum = encoder.graph.op("Add", &[&forward, &x], &[]);
        x = encoder.layer_norm(&sum);
    }
    encoder.graph.rename_last("last_hidden_state");
    let hidden = dim(size.hidden).into();
    encoder.graph.output("last_hidden_state", DataType::F32, ["batch".into(), "tokens".into(), hidden]);
    encoder.graph.build()
}

fn dim(size: usize) -> i64 {
    i64::try_from(size).expect("test models are small")
}

struct Encoder {
    graph: Graph,
    size: BertSize,
    weights: Weights,
    random: u64,
    matrices: usize,
}

impl Encoder {
    /// Draws `count` numbers, evenly from -`scale` to `scale`.
    fn draw(&mut self, count: usize, scale: f32) -> Vec<f32> {
        let mut next = || {
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = u16::try_from(self.random >> 48).expect("16 bits are left");
            (f32::from(bits) / 32_768.0 - 1.0) * scale
        };
        (0..count).map(|_| next()).collect()
    }

    fn scalar(&mut self, value: f32) -> String {
        self.graph.constant(Array::f32([], [value]))
    }

    fn ints(&mut self, values: &[i64]) -> String {
        self.graph.constant(Array::i64([dim(values.len())], values))
    }

    fn embeddings(&mut self) -> String {
        let BertSize { vocabulary, hidden, positions, .. } = self.size;
        let words = self.draw(vocabulary * hidden, 1.0);
        let words = if self.weights == Weights::F32 {
            let table = self.graph.constant(Array::f32([dim(vocabulary), dim(hidden)], words));
            self.graph.op("Gather", &[&table, "input_ids"], &[])
        } else {
            let bytes: Vec<u8> = words.iter().map(|word| (word * 127.0 + 128.0).round() as u8).collect();
            let table = self.graph.constant(Array::u8([dim(vocabulary), dim(hidden)], bytes));
            let rows = self.graph.op("Gather", &[&table, "input_ids"], &[]);
            let scale = self.scalar(1.0 / 127.0);
            let zero = self.graph.constant(Array::u8([], [128]));
            self.graph.op("DequantizeLinear", &[&rows, &scale, &zero], &[])
        };
        let kinds = self.draw(2 * hidden, 0.1);
        let kinds = self.graph.constant(Array::f32([2, dim(hidden)], kinds));
        let kinds = self.graph.op("Gather", &[&kinds, "token_type_ids"], &[]);
        let sum = self.graph.op("Add", &[&words, &kinds], &[]);

        let places = self.draw(positions * hidden, 0.3);
        let places = self.graph.constant(Array::f32([dim(positions), dim(hidden)], places));
        let all: Vec<i64> = (0..dim(positions)).collect();
        let all = self.graph.constant(Array::i64([1, dim(positions)], all));
        let length = self.length_of("input_ids", 1);
        let (zero, one) = (self.ints(&[0]), self.ints(&[1]));
        let used = self.graph.op("Slice", &[&all, &zero, &length, &one, &one], &[]);
        let places = self.graph.op("Gather", &[&places, &used], &[]);
        let sum = self.graph.op("Add", &[&sum, &places], &[]);
        self.layer_norm(&sum)
    }

    /// Returns the size of `value` along `axis`, as a tensor of one element.
    fn length_of(&mut self, value: &str, axis: i64) -> String {
        let shape = self.graph.op("Shape", &[value], &[]);
        let axis = self.graph.constant(Array::i64([], [axis]));
        let length = self.graph.op("Gather", &[&shape, &axis], &[("axis", Attribute::Int(0))]);
        let zero = self.ints(&[0]);
        self.graph.op("Unsqueeze", &[&length, &zero], &[])
    }

    /// Returns what is added to attention scores: 0 for a token, the lowest number for padding.
    fn mask(&mut self) -> String {
        let (one, two) = (self.ints(&[1]), self.ints(&[2]));
        let mask = self.graph.op("Unsqueeze", &["attention_mask", &one], &[]);
        let mask = self.graph.op("Unsqueeze", &[&mask, &two], &[]);
        let mask = self.graph.op("Cast", &[&mask], &[("to", Attribute::Int(1))]);
        let (one, lowest) = (self.scalar(1.0), self.scalar(f32::MIN));
        let padding = self.graph.op("Sub", &[&one, &mask], &[]);
        self.graph.op("Mul", &[&padding, &lowest], &[])
    }

    fn layer_norm(&mut self, x: &str) -> String {
        let last = [("axes", Attribute::Ints(vec![-1]))];
        let mean = self.graph.op("ReduceMean", &[x], &last);
        let centred = self.graph.op("Sub", &[x, &mean], &[]);
        let two = self.scalar(2.0);
        let squared = self.graph.op("Pow", &[&centred, &two], &[]);
        let variance = self.graph.op("ReduceMean", &[&squared], &last);
        let epsilon = self.scalar(1e-12);
        let variance = self.graph.op("Add", &[&variance, &epsilon], &[]);
        let deviation = self.graph.op("Sqrt", &[&variance], &[]);
        let unit = self.graph.op("Div", &[&centred, &deviation], &[]);
        let gain: Vec<f32> = self.draw(self.size.hidden, 0.1).iter().map(|noise| 1.0 + noise).collect();
        let gain = self.graph.constant(Array::f32([dim(self.size.hidden)], gain));
        let scaled = self.graph.op("Mul", &[&unit, &gain], &[]);
        let bias = self.bias(self.size.hidden);
        self.graph.op("Add", &[&scaled, &bias], &[])
    }

    fn bias(&mut self, width: usize) -> String {
        let bias = self.draw(width, 0.1);
        self.graph.constant(Array::f32([dim(width)], bias))
    }

    /// Returns `x` times a new matrix plus a new bias.
    fn linear(&mut self, x: &str, rows: usize, columns: usize) -> String {
        let spread = (3.0 / rows as f32).sqrt();
        let matrix = self.draw(rows * columns, spread);
        let bias = self.bias(columns);
        self.matrices += 1;
        let product = match self.weights {
            Weights::F32 => {
                let matrix = self.graph.constant(Array::f32([dim(rows), dim(columns)], matrix));
                self.graph.op("MatMul", &[x, &matrix], &[])
            }
            Weights::Int8 if self.matrices % 2 == 1 => self.per_matrix(x, &matrix, [rows, columns]),
            Weights::Int8 => self.per_column(x, &matrix, [rows, columns]),
        };
        self.graph.op("Add", &[&bias, &product], &[])
    }

    fn per_matrix(&mut self, x: &str, matrix: &[f32], [rows, columns]: [usize; 2]) -> String {
        let scale = matrix.iter().fold(0.0_f32, |largest, value| largest.max(value.abs())) / 127.0;
        let values: Vec<i8> = matrix.iter().map(|value| (value / scale).round() as i8).collect();
        let matrix = self.graph.constant(Array::i8([dim(rows), dim(columns)], values));
        let zero = self.graph.constant(Array::i8([], [0]));
        let scale = self.scalar(scale);
        self.integer_product(x, &matrix, &scale, &zero)
    }

    fn per_column(&mut self, x: &str, matrix: &[f32], [rows, columns]: [usize; 2]) -> String {
        let column = |index: usize| matrix.iter().skip(index).step_by(columns);
        // Zero stays exactly representable: the range always includes it.
        let least: Vec<f32> =
            (0..columns).map(|index| column(index).fold(0.0, |a: f32, b| a.min(*b))).collect();
        let most: Vec<f32> =
            (0..columns).map(|index| column(index).fold(0.0, |a: f32, b| a.max(*b))).collect();
        let scales: Vec<f32> = least.iter().zip(&most).map(|(least, most)| (most - least) / 255.0).collect();
        let zeros: Vec<u8> =
            least.iter().zip(&scales).map(|(least, scale)| (-least / scale).round() as u8).collect();
        let quantise = |(index, value): (usize, &f32)| {
            let column = index % columns;
            ((value / scales[column]).round() + f32::from(zeros[column])).clamp(0.0, 255.0) as u8
        };
        let values: Vec<u8> = matrix.iter().enumerate().map(quantise).collect();
        let matrix = self.graph.constant(Array::u8([dim(rows), dim(columns)], values));
        let zero = self.graph.constant(Array::u8([dim(columns)], zeros));
        let scale = self.graph.constant(Array::f32([dim(columns)], scales));
        self.integer_product(x, &matrix, &scale, &zero)
    }

    fn integer_product(&mut self, x: &str, matrix: &str, scale: &str, zero: &str) -> String {
        let quantised = self.graph.op("DynamicQuantizeLinear", &[x], &[]);
        let (x_scale, x_zero) = (format!("{quantised}_scale"), format!("{quantised}_zero"));
        self.graph.more_outputs(&[&x_scale, &x_zero]);
        let product = self.graph.op("MatMulInteger", &[&quantised, matrix, &x_zero, zero], &[]);
        let product = self.graph.op("Cast", &[&product], &[("to", Attribute::Int(1))]);
        let scale = self.graph.op("Mul", &[&x_scale, scale], &[]);
        self.graph.op("Mul", &[&product, &scale], &[])
    }

    /// Returns `x` cut into heads: `[batch, heads, ...]`, the other axes in the order of `permutation`.
    fn heads(&mut self, x: &str, permutation: [i64; 4]) -> String {
        let BertSize { hidden, heads, .. } = self.size;
        let shape = self.ints(&[0, 0, dim(heads), dim(hidden / heads)]);
        let cut = self.graph.op("Reshape", &[x, &shape], &[]);
        self.graph.op("Transpose", &[&cut], &[("perm", permutation.into())])
    }

    fn attention(&mut self, x: &str, mask: &str) -> String {
        let BertSize { hidden, heads, .. } = self.size;
        let query = self.linear(x, hidden, hidden);
        let key = self.linear(x, hidden, hidden);
        let value = self.linear(x, hidden, hidden);
        let query = self.heads(&query, [0, 2, 1, 3]);
        let key = self.heads(&key, [0, 2, 3, 1]);
        let value = self.heads(&value, [0, 2, 1, 3]);
        let scores = self.graph.op("MatMul", &[&query, &key], &[]);
        let root = self.scalar((hidden as f32 / heads as f32).sqrt());
        let scores = self.graph.op("Div", &[&scores, &root], &[]);
        let scores = self.graph.op("Add", &[&scores, mask], &[]);
        let weights = self.graph.op("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let mixed = self.graph.op("MatMul", &[&weights, &value], &[]);
        let mixed = self.graph.op("Transpose", &[&mixed], &[("perm", [0, 2, 1, 3].into())]);
        let batch = self.length_of(x, 0);
        let (rest, width) = (self.ints(&[-1]), self.ints(&[dim(hidden)]));
        let shape = self.graph.op("Concat", &[&batch, &rest, &width], &[("axis", Attribute::Int(0))]);
        let mixed = self.graph.op("Reshape", &[&mixed, &shape], &[]);
        self.linear(&mixed, hidden, hidden)
    }

    fn feed_forward(&mut self, x: &str) -> String {
        let BertSize { hidden, intermediate, .. } = self.size;
        let x = self.linear(x, hidden, intermediate);
        let root = self.scalar(std::f32::consts::SQRT_2);
        let scaled = self.graph.op("Div", &[&x, &root], &[]);
        let erf = self.graph.op("Erf", &[&scaled], &[]);
        let one = self.scalar(1.0);
        let gate = self.graph.op("Add", &[&erf, &one], &[]);
        let gated = self.graph.op("Mul", &[&x, &gate], &[]);
        let half = self.scalar(0.5);
        let gelu = self.graph.op("Mul", &[&gated, &half], &[]);
        self.linear(&gelu, intermediate, hidden)
    }
}
