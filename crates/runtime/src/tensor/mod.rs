//! Tensors: a shape and typed elements that are shared, never copied, between owners.

mod buffer;
mod candle;
mod data;

use std::fmt;

pub use self::data::Element;
pub(crate) use self::{
    buffer::{Buffer, Owned},
    candle::FloatStorage,
    data::{Data, with_data},
};
use crate::{DType, Error, ErrorKind};

/// A dense tensor in row-major order, cheap to clone.
///
/// A tensor of shape `[]` is a scalar and has one element; a tensor with a zero in its shape has none. The number
/// of elements always equals the product of the shape.
///
/// ```
/// use runtime::{DType, Tensor};
///
/// let x = Tensor::from_f32(&[2, 2], vec![1., 2., 3., 4.])?;
/// assert_eq!(x.shape(), [2, 2]);
/// assert_eq!(x.dtype(), DType::F32);
/// assert_eq!(x.as_f32(), Some(&[1., 2., 3., 4.][..]));
/// # Ok::<(), runtime::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// Makes a tensor of `shape` from its elements in row-major order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the number of elements is not the product of the shape.
    pub fn new<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Self, Error> {
        match product(shape) {
            Some(expected) if expected == elements.len() => Ok(Self::build(shape.to_vec(), elements)),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{} elements do not fill the shape {shape:?}", elements.len()),
            )),
        }
    }

    /// Makes a tensor of 32-bit floats; see [`Tensor::new`].
    ///
    /// # Errors
    ///
    /// As [`Tensor::new`].
    pub fn from_f32(shape: &[usize], elements: Vec<f32>) -> Result<Self, Error> {
        Self::new(shape, elements)
    }

    /// Makes a tensor of signed 64-bit integers; see [`Tensor::new`].
    ///
    /// # Errors
    ///
    /// As [`Tensor::new`].
    pub fn from_i64(shape: &[usize], elements: Vec<i64>) -> Result<Self, Error> {
        Self::new(shape, elements)
    }

    /// Makes a scalar.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::build(Vec::new(), vec![value])
    }

    /// Makes a tensor whose element count the caller has already matched to the shape.
    pub(crate) fn build<T: Element>(shape: Vec<usize>, elements: Vec<T>) -> Self {
        assert_eq!(product(&shape), Some(elements.len()), "the kernel fills its output shape");
        Self { shape, data: T::wrap(Buffer::owned(elements)) }
    }

    pub(crate) fn from_data(shape: Vec<usize>, data: Data) -> Self {
        assert_eq!(product(&shape), Some(data.len()), "the kernel fills its output shape");
        Self { shape, data }
    }

    /// Returns the dimensions, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the type of the elements.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Returns whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the elements in row-major order, or `None` if they are of another type.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        T::unwrap(&self.data).map(|buffer| &**buffer)
    }

    /// Returns the elements if they are 32-bit floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        self.as_slice()
    }

    /// Returns the elements if they are signed 64-bit integers.
    pub fn as_i64(&self) -> Option<&[i64]> {
        self.as_slice()
    }

    /// Returns the elements, without a copy if nothing else shares them, or `None` if they are of another type.
    pub fn into_vec<T: Element>(self) -> Option<Vec<T>> {
        T::take(self.data).map(Buffer::into_vec)
    }

    /// Returns the same elements under another shape, without a copy.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the number of elements is not the product of the shape.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self, Error> {
        if product(shape) != Some(self.len()) {
            let message = format!("a tensor of shape {:?} cannot take the shape {shape:?}", self.shape);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Self { shape: shape.to_vec(), data: self.data.clone() })
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    pub(crate) fn into_data(self) -> Data {
        self.data
    }

    /// Returns the memory that the elements take, in bytes.
    pub(crate) fn byte_len(&self) -> u64 {
        self.len() as u64 * self.dtype().size() as u64
    }
}

/// Returns the number of elements of a shape, unless it overflows.
pub(crate) fn product(shape: &[usize]) -> Option<usize> {
    // A zero makes the tensor empty, but hides no overflow: operators multiply parts of the shape.
    let mut nonzero = shape.iter().filter(|&&dim| dim != 0);
    let nonzero = nonzero.try_fold(1usize, |product, &dim| product.checked_mul(dim))?;
    Some(if shape.contains(&0) { 0 } else { nonzero })
}

impl fmt::Debug for Tensor {
    /// Shows the shape, the type and the first elements.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "Tensor({} {:?} ", self.dtype(), self.shape)?;
        with_data!(&self.data, buffer => {
            f.debug_list().entries(buffer.iter().take(SHOWN)).finish()?;
            if buffer.len() > SHOWN { write!(f, "..")?; }
        });
        f.write_str(")")
    }
}

impl PartialEq for Tensor {
    /// Compares type, shape and elements; a NaN differs from everything.
    fn eq(&self, other: &Self) -> bool {
        fn same<T: Element>(left: &Buffer<T>, right: &Data) -> bool {
            T::unwrap(right).is_some_and(|right| **left == **right)
        }
        self.shape == other.shape && with_data!(&self.data, buffer => same(buffer, &other.data))
    }
}
