//! What a file in a model is, told by its name alone.

mod known;
mod weights;

use serde::{Deserialize, Serialize};

use crate::{Dtype, RepoPath};

/// Says what a file is for.
///
/// Told by the name alone, so it is a guess about honest files and no statement about the bytes. An unknown
/// name is [`FileKind::Other`], never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileKind {
    /// Weights, in one file or one shard.
    Weights {
        /// Who wrote them.
        format: WeightsFormat,
        /// The number format, where the name tells.
        dtype: Option<Dtype>,
    },
    /// Weights that an ONNX graph keeps outside its own file.
    ExternalData {
        /// Which chunk: 0 for `<graph>_data`, n for `<graph>_data_n`.
        chunk: u32,
        /// The number format, where the name tells.
        dtype: Option<Dtype>,
    },
    /// Says which shard holds which tensor.
    WeightsIndex {
        /// Who wrote the shards.
        format: WeightsFormat,
    },
    /// One vector a token, without a graph: `<dtype>.d<dims>.npy`.
    StaticEmbeddings {
        /// The number format.
        dtype: Dtype,
        /// The length of a vector.
        dims: u32,
    },
    /// The model's architecture and labels: `config.json`.
    Config,
    /// Defaults of text generation: `generation_config.json`.
    GenerationConfig,
    /// How parts of a sentence-embedding model are put together: `modules.json`, `1_Pooling/config.json`.
    ModuleConfig,
    /// A whole tokenizer in one file: `tokenizer.json`, `tokenizer.model`.
    Tokenizer,
    /// Options of the tokenizer: `tokenizer_config.json`.
    TokenizerConfig,
    /// Special or added tokens: `special_tokens_map.json`, `added_tokens.json`.
    SpecialTokens,
    /// The tokens: `vocab.txt`, `vocab.json`.
    Vocabulary,
    /// The merges of byte-pair encoding: `merges.txt`.
    Merges,
    /// How a conversation becomes a text: `chat_template.jinja`.
    ChatTemplate,
    /// How images, audio or several inputs become tensors: `preprocessor_config.json`.
    Preprocessing,
    /// Feature extraction of audio or images: `feature_extractor_config.json`, `mel_filters.npz`.
    FeatureExtraction,
    /// How the model was trained: `training_args.bin`, `trainer_state.json`.
    TrainingMetadata,
    /// What the model is, and its limits: `README.md`.
    ModelCard,
    /// The terms of use.
    License,
    /// Bookkeeping of the repository: `.gitattributes`.
    Repository,
    /// Programs that come with the model, such as `modeling_x.py`. Nothing here runs them.
    Code,
    /// Images, sounds and films that show what the model does.
    Sample,
    /// Anything else.
    Other,
}

/// Says which library's weights a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WeightsFormat {
    /// PyTorch's pickles: `pytorch_model.bin`, `.pt`, `.pth`, `.ckpt`; reading one can run code.
    PyTorch,
    /// TensorFlow and Keras: `tf_model.h5`, `.keras`, `saved_model.pb`, `model.ckpt.index`.
    TensorFlow,
    /// TensorFlow Lite: `.tflite`.
    TfLite,
    /// Flax: `flax_model.msgpack`.
    Flax,
    /// safetensors.
    Safetensors,
    /// ONNX: graph and weights.
    Onnx,
    /// ONNX Runtime's own form: `.ort`.
    Ort,
    /// llama.cpp: `.gguf`.
    Gguf,
    /// OpenVINO: `openvino_model.xml` and `.bin`.
    OpenVino,
    /// Core ML: `.mlmodel`, and everything inside an `.mlpackage` folder.
    CoreMl,
    /// tch-rs: `rust_model.ot`.
    Torch,
    /// The forms before GGUF: `ggml-base.bin`, `.ggml`.
    Ggml,
    /// NumPy arrays: `weights.npz`.
    Numpy,
    /// Pickles of other Python libraries: `.pkl`, `.joblib`; reading one can run code.
    Pickle,
    /// ExecuTorch: `.pte`.
    ExecuTorch,
    /// TensorRT, for one graphics card and version: `.engine`, `.plan`.
    TensorRt,
    /// TensorFlow.js: `group1-shard1of4.bin`.
    TensorFlowJs,
    /// LiteRT and MediaPipe bundles: `.litertlm`, `.task`.
    LiteRt,
    /// PaddlePaddle: `inference.pdiparams`, `inference.pdmodel`.
    Paddle,
    /// NeMo's archives: `.nemo`; reading one can run code.
    Nemo,
    /// MNN: `.mnn`.
    Mnn,
    /// Weights whose library the name does not tell: `model.bin`, `.weights`.
    Unknown,
}

impl FileKind {
    /// Tells what `path` is from its name.
    ///
    /// Case counts only where the field's names do not vary: `README.md` and `readme.md` are both the model
    /// card.
    pub fn of(path: &RepoPath) -> Self {
        let name = path.file_name().to_ascii_lowercase();
        known::kind(path, &name)
            .or_else(|| weights::kind(&name))
            .unwrap_or_else(|| known::by_extension(&name))
    }

    /// Says whether the file holds weights, whole or in part.
    pub fn is_weights(self) -> bool {
        matches!(self, Self::Weights { .. } | Self::ExternalData { .. } | Self::StaticEmbeddings { .. })
    }
}

impl WeightsFormat {
    /// Says whether the usual reader of this format runs code that the file brings.
    ///
    /// Such files are kept and listed like others, but nothing here opens them.
    pub const fn may_run_code(self) -> bool {
        matches!(self, Self::PyTorch | Self::TensorFlow | Self::Pickle | Self::Nemo)
    }
}
