//! `cargo xtask adversity NAME`: long runs of faults that a test cannot make, with counts.

mod power_cuts;
mod rig;

/// Runs what `arguments` name.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["power-cuts"] => power_cuts::run(power_cuts::CUTS),
        ["power-cuts", "--cuts", number] => match number.parse() {
            Ok(number) if 0 < number => power_cuts::run(number),
            _ => Err(format!("{number:?} is no number of cuts")),
        },
        _ => Err(
            "say `adversity power-cuts`: a store on a disk whose power is cut (root on Linux, ten minutes)"
                .to_owned(),
        ),
    }
}
