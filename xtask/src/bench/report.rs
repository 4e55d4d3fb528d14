//! Figures: a table for people, `target/reports/NAME.json` for programs.

use serde::Serialize;

use crate::repo;

/// One figure, beside what it must reach and what somebody else reaches.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The most it may be; `null` where nothing is asked.
    pub(crate) bar: Option<f64>,
    /// Whether the bar is met; `null` where there is none.
    pub(crate) ok: Option<bool>,
    pub(crate) peer: Option<String>,
    pub(crate) peer_value: Option<f64>,
}

impl Row {
    /// A figure of which nothing is asked.
    pub(crate) fn plain(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, ..Self::default() }
    }
}

/// Prints the rows and writes them to `target/reports/NAME.json`; fails if a bar is missed.
pub(crate) fn finish(name: &str, rows: &[Row]) -> Result<(), String> {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    for row in rows {
        let bar = match (row.bar, row.ok) {
            (Some(bar), Some(true)) => format!("  (at most {bar}: held)"),
            (Some(bar), _) => format!("  (at most {bar}: MISSED)"),
            (None, _) => String::new(),
        };
        let peer = match (&row.peer, row.peer_value) {
            (Some(peer), Some(value)) => format!("  {peer}: {value:.1}"),
            _ => String::new(),
        };
        println!("{:<width$}  {:>10.1} {:<4}{bar}{peer}", row.name, row.value, row.unit);
    }
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

/// The middle value; of an even number the lower one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
