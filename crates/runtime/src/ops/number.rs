//! What arithmetic needs of the element types, and the choice of a kernel by type.

use crate::tensor::Element;

/// A type to calculate with. Integers wrap around, as in ONNX's reference.
pub(super) trait Number: Element {
    const INTEGER: bool;

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// Divides; integers truncate towards zero, and a zero divisor, which callers refuse first, gives zero.
    fn div(self, other: Self) -> Self;
    /// The remainder with the sign of the dividend.
    fn rem(self, other: Self) -> Self;
    /// The remainder with the sign of the divisor.
    fn modulo(self, other: Self) -> Self;
    fn power(self, exponent: f64) -> Self;
    /// The larger of two; NaN if either is.
    fn larger(self, other: Self) -> Self;
    /// The smaller of two; NaN if either is.
    fn smaller(self, other: Self) -> Self;
    fn to_f64(self) -> f64;
    /// The nearest number of this type; integers truncate and saturate.
    fn from_f64(number: f64) -> Self;
}

macro_rules! integer {
    ($($type:ty),*) => { $(
        impl Number for $type {
            const INTEGER: bool = true;

            fn add(self, other: Self) -> Self { self.wrapping_add(other) }
            fn sub(self, other: Self) -> Self { self.wrapping_sub(other) }
            fn mul(self, other: Self) -> Self { self.wrapping_mul(other) }
            fn div(self, other: Self) -> Self { if other == 0 { 0 } else { self.wrapping_div(other) } }
            fn rem(self, other: Self) -> Self { if other == 0 { 0 } else { self.wrapping_rem(other) } }
            #[allow(unused_comparisons, reason = "one body for signed and unsigned types")]
            fn modulo(self, other: Self) -> Self {
                let rest = Number::rem(self, other);
                if rest != 0 && (rest < 0) != (other < 0) { rest.wrapping_add(other) } else { rest }
            }
            fn power(self, exponent: f64) -> Self {
                if exponent >= 0. && exponent.fract() == 0. && exponent <= f64::from(u32::MAX) {
                    self.wrapping_pow(exponent as u32)
                } else {
                    (self as f64).powf(exponent) as Self
                }
            }
            fn larger(self, other: Self) -> Self { self.max(other) }
            fn smaller(self, other: Self) -> Self { self.min(other) }
            fn to_f64(self) -> f64 { self as f64 }
            fn from_f64(number: f64) -> Self { number as Self }
        }
    )* };
}

macro_rules! float {
    ($($type:ty),*) => { $(
        impl Number for $type {
            const INTEGER: bool = false;

            fn add(self, other: Self) -> Self { self + other }
            fn sub(self, other: Self) -> Self { self - other }
            fn mul(self, other: Self) -> Self { self * other }
            fn div(self, other: Self) -> Self { self / other }
            fn rem(self, other: Self) -> Self { self % other }
            fn modulo(self, other: Self) -> Self {
                let rest = self % other;
                if rest != 0. && (rest < 0.) != (other < 0.) { rest + other } else { rest }
            }
            fn power(self, exponent: f64) -> Self { self.powf(exponent as Self) }
            fn larger(self, other: Self) -> Self { if self > other || self.is_nan() { self } else { other } }
            fn smaller(self, other: Self) -> Self { if self < other || self.is_nan() { self } else { other } }
            fn to_f64(self) -> f64 { self as f64 }
            fn from_f64(number: f64) -> Self { number as Self }
        }
    )* };
}

integer!(i8, i16, i32, i64, u8, u16, u32, u64);
float!(f32, f64);

/// Runs one expression with the buffer of whatever number type the data has; `else` for the others.
macro_rules! with_number {
    ($data:expr, $buffer:ident => $body:expr, else $other:expr) => {
        match $data {
            $crate::tensor::Data::F32($buffer) => $body,
            $crate::tensor::Data::F64($buffer) => $body,
            $crate::tensor::Data::I8($buffer) => $body,
            $crate::tensor::Data::I16($buffer) => $body,
            $crate::tensor::Data::I32($buffer) => $body,
            $crate::tensor::Data::I64($buffer) => $body,
            $crate::tensor::Data::U8($buffer) => $body,
            $crate::tensor::Data::U16($buffer) => $body,
            $crate::tensor::Data::U32($buffer) => $body,
            $crate::tensor::Data::U64($buffer) => $body,
            _ => $other,
        }
    };
}
pub(super) use with_number;
