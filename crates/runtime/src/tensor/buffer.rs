//! Shared storage of one tensor's elements: owned, or a view of a mapped model file.

use std::{fmt, ops::Deref, sync::Arc};

use bytes::Bytes;

use super::Element;

/// Elements that any number of tensors share.
pub(crate) struct Buffer<T: Element>(Repr<T>);

enum Repr<T: Element> {
    Owned(Arc<T::Owned>),
    /// Weights where they lie in the file. Only made when `T::view` accepts the bytes, whose address is fixed.
    Mapped(Bytes),
}

/// How the owned elements of one type are kept.
pub(crate) trait Owned<T>: fmt::Debug + Clone + Send + Sync {
    /// Takes the elements over.
    fn from_vec(elements: Vec<T>) -> Self;
    /// Shows the elements.
    fn slice(&self) -> &[T];
    /// Shows the elements for change in place.
    fn slice_mut(&mut self) -> &mut [T];
    /// Gives the elements up.
    fn into_vec(self) -> Vec<T>;
}

impl<T: fmt::Debug + Clone + Send + Sync> Owned<T> for Vec<T> {
    fn from_vec(elements: Vec<T>) -> Self {
        elements
    }

    fn slice(&self) -> &[T] {
        self
    }

    fn slice_mut(&mut self) -> &mut [T] {
        self
    }

    fn into_vec(self) -> Self {
        self
    }
}

impl<T: Element> Buffer<T> {
    pub(crate) fn owned(elements: Vec<T>) -> Self {
        Self(Repr::Owned(Arc::new(T::Owned::from_vec(elements))))
    }

    pub(crate) fn from_shared(owned: Arc<T::Owned>) -> Self {
        Self(Repr::Owned(owned))
    }

    /// Reads little-endian elements: as they lie there if the type and the alignment allow it, else by a copy.
    /// Bytes beyond the last whole element are not looked at.
    pub(crate) fn from_le_bytes(bytes: &Bytes) -> Self {
        if cfg!(target_endian = "little") && T::view(bytes).is_some() {
            return Self(Repr::Mapped(bytes.clone()));
        }
        Self::owned(bytes.chunks_exact(size_of::<T>()).map(T::from_le_bytes).collect())
    }

    /// Returns the owned storage, made by a copy if the elements lie in a mapped file.
    pub(crate) fn to_owned_storage(&self) -> Arc<T::Owned> {
        match &self.0 {
            Repr::Owned(owned) => Arc::clone(owned),
            Repr::Mapped(_) => Arc::new(T::Owned::from_vec(self.to_vec())),
        }
    }

    /// Returns the elements for change in place if nothing else shares them.
    pub(crate) fn unique(&mut self) -> Option<&mut [T]> {
        match &mut self.0 {
            Repr::Owned(owned) => Arc::get_mut(owned).map(Owned::slice_mut),
            Repr::Mapped(_) => None,
        }
    }

    pub(crate) fn into_vec(self) -> Vec<T> {
        match self.0 {
            Repr::Owned(owned) => match Arc::try_unwrap(owned) {
                Ok(owned) => owned.into_vec(),
                Err(shared) => shared.slice().to_vec(),
            },
            Repr::Mapped(_) => self.to_vec(),
        }
    }

    /// Returns whether this is the only owner of the elements.
    pub(crate) fn is_unique(&self) -> bool {
        matches!(&self.0, Repr::Owned(owned) if Arc::strong_count(owned) == 1)
    }

    /// Returns a number that two buffers share exactly if they share their elements' memory.
    pub(crate) fn address(&self) -> usize {
        match &self.0 {
            Repr::Owned(owned) => Arc::as_ptr(owned).addr(),
            Repr::Mapped(bytes) => bytes.as_ptr().addr(),
        }
    }
}

impl<T: Element> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Repr::Owned(owned) => Repr::Owned(Arc::clone(owned)),
            Repr::Mapped(bytes) => Repr::Mapped(bytes.clone()),
        })
    }
}

impl<T: Element> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Repr::Owned(owned) => owned.slice(),
            Repr::Mapped(bytes) => T::view(bytes).expect("checked when the view was made"),
        }
    }
}
