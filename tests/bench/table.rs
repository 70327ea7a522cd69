//! A table of figures, to be printed and to be written as JSON.

use std::fmt;

use serde_json::{Map, Value, json};

/// Figures in rows and columns, with their unit in the columns' names.
pub(crate) struct Table {
    /// What was measured, and how.
    pub(crate) title: &'static str,
    /// The names of the figures.
    pub(crate) columns: Vec<&'static str>,
    /// What each row is of, and its figures.
    pub(crate) rows: Vec<(String, Vec<f64>)>,
}

impl Table {
    /// The figure of a row and a column.
    pub(crate) fn figure(&self, row: &str, column: &str) -> Option<f64> {
        let (_, figures) = self.rows.iter().find(|(name, _)| name == row)?;
        let place = self.columns.iter().position(|name| *name == column)?;
        figures.get(place).copied()
    }

    /// The table with a row as an object.
    pub(crate) fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|(name, figures)| {
            let figures = self.columns.iter().zip(figures);
            let mut row: Map<String, Value> = figures
                .map(|(column, figure)| ((*column).to_owned(), json!(figure)))
                .collect();
            row.insert("of".to_owned(), json!(name));
            Value::Object(row)
        });
        json!({ "title": self.title, "rows": rows.collect::<Vec<_>>() })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        write!(f, "{:36}", "")?;
        for column in &self.columns {
            write!(f, " {column:>11}")?;
        }
        for (name, figures) in &self.rows {
            write!(f, "\n{name:36}")?;
            for figure in figures {
                if figure.is_nan() {
                    write!(f, " {:>11}", "-")?;
                } else {
                    write!(f, " {figure:>11.2}")?;
                }
            }
        }
        writeln!(f)
    }
}
