//! Which texts are computed together, and the tensors they become.

use runtime::{DType, Tensor};

use crate::{
    Error, ErrorKind, Limits,
    config::{Lengths, Side},
    tokenizer::Tokens,
};

/// Texts that are computed together, by their index in the input, and the length they are padded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) texts: Vec<usize>,
    pub(crate) width: usize,
}

/// Puts texts of similar length together, so that little is padded.
///
/// `counts` are the tokens of each text. With `alone`, every text gets its own batch; with `width`, every batch is
/// padded to it.
pub(crate) fn batches(counts: &[usize], alone: bool, width: Option<usize>, limits: &Limits) -> Vec<Batch> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    // Longest first: the first text of a batch decides its length.
    order.sort_by_key(|text| std::cmp::Reverse(counts[*text]));
    let mut batches: Vec<Batch> = Vec::new();
    for text in order {
        match batches.last_mut() {
            Some(batch)
                if !alone
                    && batch.texts.len() < limits.batch_texts
                    && (batch.texts.len() + 1).saturating_mul(batch.width) <= limits.batch_tokens =>
            {
                batch.texts.push(text);
            }
            _ => batches.push(Batch { texts: vec![text], width: width.unwrap_or(counts[text]) }),
        }
    }
    batches
}

/// Returns the places of a text's tokens in a padded row.
pub(crate) fn place(tokens: usize, width: usize, lengths: &Lengths) -> std::ops::Range<usize> {
    match lengths.pad {
        Side::Left => width - tokens..width,
        Side::Right => 0..tokens,
    }
}

/// What a tensor holds for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The token's id.
    Ids,
    /// 1 for a token, 0 for padding.
    Mask,
    /// The token's type: which part of the text it belongs to.
    Types,
}

/// Returns the tensor `[texts, width]` of one input.
pub(crate) fn tensor(
    role: Role,
    dtype: DType,
    texts: &[&Tokens],
    width: usize,
    lengths: &Lengths,
) -> Result<Tensor, Error> {
    let mut values = Vec::with_capacity(texts.len() * width);
    for text in texts {
        let row = values.len();
        let padding = match role {
            Role::Ids => lengths.pad_id,
            Role::Mask => 0,
            Role::Types => lengths.pad_type,
        };
        values.resize(row + width, i64::from(padding));
        let place = place(text.ids.len(), width, lengths);
        for (index, value) in values[row..][place].iter_mut().enumerate() {
            *value = match role {
                Role::Ids => text.ids[index].into(),
                Role::Mask => 1,
                Role::Types => text.types[index].into(),
            };
        }
    }
    let shape = [texts.len(), width];
    let tensor = match dtype {
        DType::I32 => {
            let values = values.into_iter().map(i32::try_from).collect::<Result<Vec<_>, _>>();
            Tensor::new(
                &shape,
                values.map_err(|_| Error::new(ErrorKind::Run, "a token id does not fit 31 bits"))?,
            )
        }
        _ => Tensor::from_i64(&shape, values),
    };
    tensor.map_err(|error| Error::from_runtime("a batch does not become a tensor", error))
}
