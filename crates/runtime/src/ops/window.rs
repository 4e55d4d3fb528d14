//! Where the windows of a convolution lie: strides, dilations, padding, groups, and the shapes that follow.

use super::Build;
use crate::Error;

/// The attributes that Conv and ConvInteger share.
#[derive(Debug)]
pub(super) struct Window {
    group: usize,
    kernel: Option<Vec<i64>>,
    strides: Option<Vec<i64>>,
    dilations: Option<Vec<i64>>,
    padding: Padding,
}

#[derive(Debug)]
enum Padding {
    /// As many on each side as the attribute says; none without it.
    Given(Option<Vec<i64>>),
    /// As many as give one window for each stride; of an odd number the greater part comes last, or first.
    Same { odd_first: bool },
}

/// One convolution: `[batch, channels, height, width]` by `[filters, channels / groups, height, width]`. A single
/// spatial dimension is a width with a height of one.
#[derive(Debug)]
pub(super) struct Geometry {
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// Channels of one group.
    pub(super) channels: usize,
    /// Filters of one group.
    pub(super) filters: usize,
    pub(super) input: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) output: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    /// Elements of padding before the first.
    before: [usize; 2],
    /// The shape of the result.
    pub(super) shape: Vec<usize>,
}

impl Window {
    pub(super) fn new(build: &Build<'_>) -> Result<Self, Error> {
        let pads = build.ints("pads")?;
        let padding = match build.text("auto_pad", "NOTSET")?.as_str() {
            "NOTSET" => Padding::Given(pads),
            "VALID" => Padding::Given(None),
            "SAME_UPPER" => Padding::Same { odd_first: false },
            "SAME_LOWER" => Padding::Same { odd_first: true },
            other => return Err(Error::invalid(format!("its attribute auto_pad is {other:?}"))),
        };
        let group = build.int("group", 1)?;
        let group = usize::try_from(group).ok().filter(|&group| group > 0);
        Ok(Self {
            group: group.ok_or_else(|| Error::invalid("its attribute group should be positive"))?,
            kernel: build.ints("kernel_shape")?,
            strides: build.ints("strides")?,
            dilations: build.ints("dilations")?,
            padding,
        })
    }

    /// Applies the window to the shapes of a tensor and of filters.
    pub(super) fn over(&self, input: &[usize], filters: &[usize]) -> Result<Geometry, Error> {
        let misfit = || Error::run(format!("filters of shape {filters:?} do not fit a tensor of {input:?}"));
        let (&[batch, channels, ref spatial @ ..], &[count, per_group, ref kernel @ ..]) = (input, filters)
        else {
            return Err(misfit());
        };
        let rank = spatial.len();
        if kernel.len() != rank
            || per_group.checked_mul(self.group) != Some(channels)
            || count % self.group != 0
        {
            return Err(misfit());
        }
        if !(1..=2).contains(&rank) {
            return Err(Error::run(format!("{rank} spatial dimensions are not supported, 1 and 2 are")));
        }
        let same = |given: &i64, size: &usize| usize::try_from(*given) == Ok(*size);
        if let Some(given) = &self.kernel
            && !(given.len() == rank && given.iter().zip(kernel).all(|(given, size)| same(given, size)))
        {
            return Err(Error::run(format!(
                "its attribute kernel_shape {given:?} is not that of its filters"
            )));
        }
        let (strides, dilations) =
            (positive("strides", &self.strides, rank)?, positive("dilations", &self.dilations, rank)?);
        let mut geometry = Geometry {
            batch,
            groups: self.group,
            channels: per_group,
            filters: count / self.group,
            input: [1; 2],
            kernel: [1; 2],
            output: [1; 2],
            strides: [1; 2],
            dilations: [1; 2],
            before: [0; 2],
            shape: vec![batch, count],
        };
        for axis in 0..rank {
            let at = 2 - rank + axis;
            let (size, kernel) = (spatial[axis], kernel[axis]);
            let (stride, dilation) = (strides[axis], dilations[axis]);
            let (before, after) = self.padding.of(axis, rank, (size, kernel), (stride, dilation))?;
            let windows = || {
                let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
                let padded = size.checked_add(before)?.checked_add(after)?;
                // Positions are calculated as signed numbers later.
                isize::try_from(padded).ok()?;
                Some(padded.checked_sub(reach)? / stride + 1)
            };
            let windows = windows().ok_or_else(|| {
                Error::run(format!("a window of {kernel} does not fit into {size} elements"))
            })?;
            (geometry.input[at], geometry.kernel[at], geometry.output[at]) = (size, kernel, windows);
            (geometry.strides[at], geometry.dilations[at], geometry.before[at]) = (stride, dilation, before);
            geometry.shape.push(windows);
        }
        Ok(geometry)
    }
}

impl Padding {
    /// Returns the padding before and after one axis.
    fn of(
        &self,
        axis: usize,
        rank: usize,
        (size, kernel): (usize, usize),
        (stride, dilation): (usize, usize),
    ) -> Result<(usize, usize), Error> {
        let refuse = || Error::run("its padding is no list of sizes for each side");
        match self {
            Self::Given(None) => Ok((0, 0)),
            Self::Given(Some(pads)) => {
                let at = |index: usize| {
                    let pad = pads.get(index).filter(|_| pads.len() == 2 * rank);
                    pad.and_then(|&pad| usize::try_from(pad).ok()).ok_or_else(refuse)
                };
                Ok((at(axis)?, at(axis + rank)?))
            }
            Self::Same { odd_first } => {
                let whole = || {
                    let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
                    size.div_ceil(stride).checked_sub(1)?.checked_mul(stride)?.checked_add(reach)
                };
                let pad = whole().ok_or_else(refuse)?.saturating_sub(size);
                let less = pad / 2;
                Ok(if *odd_first { (pad - less, less) } else { (less, pad - less) })
            }
        }
    }
}

/// Reads an attribute of one positive number for each axis; one by default.
fn positive(name: &str, given: &Option<Vec<i64>>, rank: usize) -> Result<Vec<usize>, Error> {
    let Some(given) = given else { return Ok(vec![1; rank]) };
    let sizes: Option<Vec<usize>> =
        given.iter().map(|&one| usize::try_from(one).ok().filter(|&one| one > 0)).collect();
    sizes
        .filter(|sizes| sizes.len() == rank)
        .ok_or_else(|| Error::run(format!("its attribute {name} {given:?} does not fit {rank} dimensions")))
}

impl Geometry {
    /// Returns the number of elements of one filter.
    pub(super) fn inner(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// Returns the number of windows.
    pub(super) fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Returns the number of elements of one group's channels.
    pub(super) fn image(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    /// Writes the elements under each window as a matrix `[inner, positions]`, zero where there is padding.
    ///
    /// `image` is one group's channels `[channels, height, width]`.
    pub(super) fn columns(&self, image: &[f32], columns: &mut [f32]) {
        let ([height, width], [rows, cells]) = (self.input, self.output);
        if height * width == 0 || rows * cells == 0 {
            columns.fill(0.);
            return;
        }
        let planes = image.chunks_exact(height * width);
        let taps = columns.chunks_exact_mut(self.kernel[0] * self.kernel[1] * rows * cells);
        for (plane, taps) in planes.zip(taps) {
            for (tap, matrix_row) in taps.chunks_exact_mut(rows * cells).enumerate() {
                let tap = [tap / self.kernel[1], tap % self.kernel[1]];
                for (row, out) in matrix_row.chunks_exact_mut(cells).enumerate() {
                    let line = self.position(0, row, tap[0]).map(|y| &plane[y * width..][..width]);
                    let Some(line) = line else {
                        out.fill(0.);
                        continue;
                    };
                    for (cell, out) in out.iter_mut().enumerate() {
                        *out = self.position(1, cell, tap[1]).map_or(0., |x| line[x]);
                    }
                }
            }
        }
    }

    /// Returns the element of an axis that a tap of a window lies on, unless that is padding.
    fn position(&self, axis: usize, window: usize, tap: usize) -> Option<usize> {
        let padded = window * self.strides[axis] + tap * self.dilations[axis];
        padded.checked_sub(self.before[axis]).filter(|&position| position < self.input[axis])
    }

    /// Returns whether the windows are the elements themselves, in order.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.input == self.output && self.strides == [1, 1] && self.before == [0, 0]
    }
}
