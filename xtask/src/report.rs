//! Figures: a table for people, `target/reports/NAME.json` for programs.

use serde::Serialize;

use crate::repo;

/// One figure, beside what it must reach and what somebody else reaches.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What it must reach; `null` where nothing is asked.
    pub(crate) bar: Option<f64>,
    /// Which side of the bar is good; `null` where there is none.
    pub(crate) sense: Option<Sense>,
    /// Whether the bar is met; `null` where there is none.
    pub(crate) ok: Option<bool>,
    pub(crate) peer: Option<String>,
    pub(crate) peer_value: Option<f64>,
}

/// Which side of a bar is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sense {
    /// The bar or less.
    AtMost,
    /// The bar or more.
    AtLeast,
}

impl Row {
    /// A figure of which nothing is asked.
    pub(crate) fn plain(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, ..Self::default() }
    }

    /// Asks for `bar` or less.
    #[must_use]
    pub(crate) fn at_most(self, bar: f64) -> Self {
        let ok = Some(self.value <= bar);
        Self { bar: Some(bar), sense: Some(Sense::AtMost), ok, ..self }
    }

    /// Asks for `bar` or more.
    #[must_use]
    pub(crate) fn at_least(self, bar: f64) -> Self {
        let ok = Some(self.value >= bar);
        Self { bar: Some(bar), sense: Some(Sense::AtLeast), ok, ..self }
    }

    /// What is asked, and whether it is reached, in words; empty where nothing is asked.
    fn verdict(&self) -> String {
        let (Some(bar), Some(sense)) = (self.bar, self.sense) else { return String::new() };
        let sense = match sense {
            Sense::AtMost => "at most",
            Sense::AtLeast => "at least",
        };
        let ok = if self.ok == Some(true) { "held" } else { "MISSED" };
        format!("  ({sense} {bar}: {ok})")
    }
}

/// Prints the rows.
pub(crate) fn show(rows: &[Row]) {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    for row in rows {
        let bar = row.verdict();
        let peer = match (&row.peer, row.peer_value) {
            (Some(peer), Some(value)) => format!("  {peer}: {value:.1}"),
            _ => String::new(),
        };
        println!("{:<width$}  {:>10.1} {:<4}{bar}{peer}", row.name, row.value, row.unit);
    }
}

/// Prints the rows and writes them to `target/reports/NAME.json`; fails if a bar is missed.
pub(crate) fn finish(name: &str, rows: &[Row]) -> Result<(), String> {
    show(rows);
    let folder = repo::root().join("target/reports");
    let path = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(rows).map_err(|error| format!("no report: {error}"))?;
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, text + "\n"))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("\nWritten to target/reports/{name}.json.");
    match rows.iter().find(|row| row.ok == Some(false)) {
        Some(row) => Err(format!("{} missed its bar", row.name)),
        None => Ok(()),
    }
}

/// Removes the report of an earlier run, so that one that is skipped leaves none.
pub(crate) fn forget(name: &str) -> Result<(), String> {
    match std::fs::remove_file(repo::root().join("target/reports").join(format!("{name}.json"))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove the old report {name}: {error}"))
        }
        _ => Ok(()),
    }
}

/// The middle value; of an even number the lower one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::{Row, median};

    #[test]
    fn a_bar_is_a_floor_or_a_ceiling() {
        let row = |value| Row::plain("speed", value, "x");
        assert_eq!(row(2.0).verdict(), "");
        assert_eq!(row(2.0).at_most(2.0).verdict(), "  (at most 2: held)");
        assert_eq!(row(2.5).at_most(2.0).verdict(), "  (at most 2: MISSED)");
        assert_eq!(row(5.0).at_least(5.0).verdict(), "  (at least 5: held)");
        assert_eq!(row(4.9).at_least(5.0).ok, Some(false));
        assert!(serde_json::to_string(&row(1.0).at_least(1.0)).is_ok_and(|it| it.contains("\"at_least\"")));
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
