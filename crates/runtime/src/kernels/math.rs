//! Functions of one 32-bit float, written so that a compiler can compute several at a time.

/// Adding and subtracting this rounds a float of magnitude below 2^22 to the nearest integer, ties to even.
const ROUND: f32 = 12_582_912.;

/// Rounds to the nearest integer, ties to even; exact for magnitudes below 2^22.
#[inline]
pub(crate) fn round(x: f32) -> f32 {
    (x + ROUND) - ROUND
}

/// Converts a whole number from 0 to 255, several at a time where `as` would convert one by one; NaN gives any number.
#[inline]
pub(crate) fn small_integer(x: f32) -> u8 {
    // Added to 2^23, a whole number stands in the low bits.
    (x + 8_388_608.).to_bits() as u8
}

/// Computes e^x to about one unit in the last place; zero below -87.3, the largest power it has above 88.3.
#[inline]
pub(crate) fn exp(x: f32) -> f32 {
    // e^x = 2^n * e^r with r in [-ln(2)/2, ln(2)/2]; ln(2) in two parts, so that r loses no digits.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(-87.3, 88.3);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    // The Taylor series; its next term is below 6e-9.
    let series = 1. / 5040.;
    let series = series * r + 1. / 720.;
    let series = series * r + 1. / 120.;
    let series = series * r + 1. / 24.;
    let series = series * r + 1. / 6.;
    let series = series * r + 0.5;
    let series = series * r + 1.;
    let series = series * r + 1.;
    // The integer n stands in the low bits of `shifted`; moved up, it is the exponent of 2^n.
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    let result = series * f32::from_bits(power);
    // Clamping gave e^-87.3 where the result is zero for all purposes (and made NaN stay NaN).
    if x < -87.3 { 0. } else { result }
}

/// Computes the error function to about 2e-7.
#[inline]
pub(crate) fn erf(x: f32) -> f32 {
    let magnitude = x.abs();
    // Below one: the Maclaurin series, (2 / sqrt(pi)) * sum of (-1)^n x^(2n+1) / (n! (2n+1)).
    let square = x * x;
    let near = x * maclaurin(square);
    // From one on: 1 - (a1 t + .. + a5 t^5) e^(-x^2) with t = 1 / (1 + p x): Abramowitz and Stegun, 7.1.26.
    let t = 1. / (1. + 0.327_591_1 * magnitude);
    let poly = 1.061_405_4;
    let poly = poly * t - 1.453_152;
    let poly = poly * t + 1.421_413_7;
    let poly = poly * t - 0.284_496_74;
    let poly = poly * t + 0.254_829_6;
    let far = 1. - poly * t * exp(-square);
    if magnitude < 1. { near } else { far.copysign(x) }
}

/// The Maclaurin series of erf(x) / x in the square of x, for squares up to one.
#[inline]
fn maclaurin(square: f32) -> f32 {
    // (2 / sqrt(pi)) * (-1)^n / (n! (2n+1)) for n = 10 down to 0.
    const TERMS: [f64; 11] = [
        1. / (3_628_800. * 21.),
        -1. / (362_880. * 19.),
        1. / (40_320. * 17.),
        -1. / (5040. * 15.),
        1. / (720. * 13.),
        -1. / (120. * 11.),
        1. / (24. * 9.),
        -1. / (6. * 7.),
        1. / (2. * 5.),
        -1. / 3.,
        1.,
    ];
    let mut sum = 0.;
    for term in TERMS {
        sum = sum * square + (term * std::f64::consts::FRAC_2_SQRT_PI) as f32;
    }
    sum
}

/// Computes x / 2 * (1 + erf(x / sqrt(2))).
#[inline]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1. + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Computes GELU by its approximation with the hyperbolic tangent.
#[inline]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    // sqrt(2 / pi)
    const SCALE: f32 = 0.797_884_6;
    // 0.5 * (1 + tanh(y)) is the sigmoid of 2y.
    x * sigmoid(2. * SCALE * (x + 0.044_715 * x * x * x))
}

/// Computes 1 / (1 + e^-x).
#[inline]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1. / (1. + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> impl Iterator<Item = f32> {
        (-100_000..100_000).map(|n| n as f32 / 1000.)
    }

    #[test]
    fn exp_is_exact_to_a_few_units() {
        for x in grid().filter(|x| (-87. ..88.).contains(x)) {
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 3e-7, "exp({x}) is off by {error:e}");
        }
        assert_eq!(exp(-1000.), 0.);
        assert_eq!(exp(f32::NEG_INFINITY), 0.);
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(0.), 1.);
    }

    #[test]
    fn erf_agrees_with_its_integral() {
        // Simpson's rule for 2/sqrt(pi) * integral of e^(-t^2) from 0 to x.
        for n in -60..=60 {
            let x = f64::from(n) / 10.;
            let steps = 2000;
            let h = x / f64::from(steps);
            let f = |i: i32| (-(h * f64::from(i)).powi(2)).exp();
            let inner: f64 = (1..steps).map(|i| f(i) * if i % 2 == 1 { 4. } else { 2. }).sum();
            let expected = (f(0) + inner + f(steps)) * h / 3. * std::f64::consts::FRAC_2_SQRT_PI;
            let error = (f64::from(erf(x as f32)) - expected).abs();
            assert!(error < 3e-7, "erf({x}) is off by {error:e}");
        }
        // Small arguments keep their relative accuracy.
        assert!((erf(1e-4) / 1.128_379_2e-4 - 1.).abs() < 1e-6);
    }

    #[test]
    fn small_integers_are_exact() {
        assert!((0..=255u8).all(|n| small_integer(f32::from(n)) == n));
    }

    #[test]
    fn round_goes_to_the_even_neighbour() {
        for x in [-2.5f32, -1.5, -0.5, 0.5, 1.5, 2.5, 254.5, 255.49] {
            assert_eq!(round(x), x.round_ties_even(), "{x}");
        }
    }
}
