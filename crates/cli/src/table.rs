//! Text in columns: tables with a heading, and sheets of names and values.

use std::fmt::{self, Display};

/// Rows under a heading, each column as wide as its widest cell.
pub(crate) struct Table<const N: usize> {
    heading: [Column; N],
    rows: Vec<[String; N]>,
}

/// A column of a table: what it is called, and where its cells stand.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// Texts.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(heading: [Column; N]) -> Self {
        Self { heading, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }
}

impl<const N: usize> Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = self.heading.map(|(Column::Left(name) | Column::Right(name))| name.to_owned());
        let lines: Vec<&[String; N]> = std::iter::once(&heading).chain(&self.rows).collect();
        let widths: Vec<usize> =
            (0..N).map(|column| widest(lines.iter().filter_map(|line| line.get(column)))).collect();
        for (number, line) in lines.iter().enumerate() {
            let cells = self.heading.iter().zip(*line).zip(&widths).map(|((column, cell), width)| match column {
                Column::Left(_) => format!("{cell:<width$}"),
                Column::Right(_) => format!("{cell:>width$}"),
            });
            let text = cells.collect::<Vec<_>>().join("  ");
            let end = if number + 1 == lines.len() { "" } else { "\n" };
            write!(f, "{}{end}", text.trim_end())?;
        }
        Ok(())
    }
}

/// Names and values under a title, in sections.
pub(crate) struct Sheet {
    title: String,
    lines: Vec<Line>,
}

enum Line {
    Section(&'static str),
    Value(String, String),
}

impl Sheet {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), lines: Vec::new() }
    }

    /// A heading over the values that follow.
    pub(crate) fn section(&mut self, name: &'static str) {
        self.lines.push(Line::Section(name));
    }

    pub(crate) fn value(&mut self, name: impl Into<String>, value: impl Display) {
        self.lines.push(Line::Value(name.into(), value.to_string()));
    }

    /// Only where the condition holds.
    pub(crate) fn value_if(&mut self, condition: bool, name: &str, value: impl Display) {
        if condition {
            self.value(name, value);
        }
    }

    /// Only where the text is not empty.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.value_if(!text.is_empty(), name, text);
    }
}

impl Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.lines.iter().filter_map(|line| match line {
            Line::Section(_) => None,
            Line::Value(name, _) => Some(name),
        });
        let width = widest(names) + 2;
        writeln!(f, "{}\n", self.title)?;
        for line in &self.lines {
            match line {
                Line::Section(name) => writeln!(f, "\n{name}:\n")?,
                Line::Value(name, value) => writeln!(f, "{name:>width$}: {value}")?,
            }
        }
        Ok(())
    }
}

fn widest<'a>(texts: impl Iterator<Item = &'a String>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

/// What a script writes `true` or `false` for.
pub(crate) fn yes(condition: bool) -> &'static str {
    if condition { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    //! Columns and what stands in them.

    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell() {
        let mut table = Table::new([Column::Left("Name"), Column::Right("Messages"), Column::Left("Last")]);
        table.row(["ORDERS_EU".to_owned(), "7".to_owned(), "now".to_owned()]);
        table.row(["é".to_owned(), "1,000,000".to_owned(), String::new()]);
        let expected = "Name        Messages  Last\nORDERS_EU          7  now\né          1,000,000";
        assert_eq!(table.to_string(), expected);
        assert_eq!(Table::new([Column::Left("Name")]).to_string(), "Name");
    }

    #[test]
    fn a_sheet_has_its_names_before_the_colon() {
        let mut sheet = Sheet::new("Stream S");
        sheet.value("Subjects", "a, b");
        sheet.text("Description", "");
        sheet.value_if(false, "Sealed", "yes");
        sheet.section("State");
        sheet.value("Bytes", 7);
        assert_eq!(sheet.to_string(), "Stream S\n\n  Subjects: a, b\n\nState:\n\n     Bytes: 7\n");
    }
}
