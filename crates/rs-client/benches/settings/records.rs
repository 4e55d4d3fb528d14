//! Records as the collections about models have them, as many as wanted and always the same.

/// The timestamp of the newest record.
pub(crate) const TIMESTAMP: u64 = 1_771_200_010_931;

const TASKS: [&str; 6] = [
    "feature-extraction",
    "image-to-text",
    "summarization",
    "token-classification",
    "text-classification",
    "text-to-speech",
];

const NOTES: [&str; 4] = [
    "Runs on any machine with 2 GiB of memory.",
    "Übersetzt auf dem Gerät – nichts verlässt den Rechner.",
    "The \"quantized\" variant; see\nhttps://example.org/models?q=8&v=2.",
    "画像の説明文を生成します。",
];

/// Returns `count` records as JSON texts, the newest first, with their fields in the order a server has them.
///
/// Three of five have a file attached, as `ml-onnx-runtime` has; the others are like `ml-inference-options`.
pub(crate) fn texts(count: usize) -> Vec<String> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    (0..count).map(|index| text(index, &mut random)).collect()
}

fn text(index: usize, random: &mut Random) -> String {
    let modified = TIMESTAMP - 61_007 * index as u64;
    let schema = modified - 35_902_216;
    let id = random.uuid();
    let version = format!("{}.{}.{}", index % 5, index % 11, index % 3);
    if index % 5 < 3 {
        let (hash, file, size) = (random.hex(64), random.uuid(), random.next() % 90_000_000);
        return format!(
            r#"{{"name":"model-{index}.wasm","schema":{schema},"version":"{version}","attachment":{{"hash":"{hash}","size":{size},"filename":"model-{index}.wasm","location":"main-workspace/ml-onnx-runtime/{file}.wasm","mimetype":"application/wasm"}},"id":"{id}","last_modified":{modified}}}"#
        );
    }
    let task = TASKS[index % TASKS.len()];
    let note = serde_json::Value::from(NOTES[index % NOTES.len()]);
    let (pixels, tokens, main) = (224 + index % 3 * 16, 128 << (index % 4), index.is_multiple_of(2));
    format!(
        r#"{{"dtype":"q8","schema":{schema},"modelId":"Example/model-{index}","backend":"onnx","taskName":"{task}","modelHub":"huggingface","timeoutMS":-1,"numThreads":null,"modelHubRootUrl":"https://model-hub.example.org/","modelRevision":"v{version}","processorId":"Example/processor-{index}","tokenizerId":"Example/tokenizer-{index}","featureId":"feature-{index}","notes":{note},"options":{{"quantized":true,"main":{main},"image":{{"width":{pixels},"height":{pixels}}},"generation":{{"max_length":{tokens},"num_beams":1,"stop":["</s>","<pad>"]}}}},"modelHubUrlTemplate":"{{model}}/resolve/{{revision}}","filter_expression":"env.version|versionCompare(\"142.a1\") >= 0 && env.appinfo.OS == \"Darwin\"","id":"{id}","last_modified":{modified}}}"#
    )
}

/// A small generator of numbers that look random.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text.truncate(digits);
        text
    }

    fn uuid(&mut self) -> String {
        let hex = self.hex(32);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}
