//! Bars of text.

use std::fmt::Write;

/// Characters of the longest bar.
const WIDTH: usize = 40;

/// Eighths of a full block.
const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// One bar: what stands before it, its value, and how that is written behind it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) text: String,
}

/// Bars below one another, from zero, the longest as wide as there is room; labels right-aligned.
pub(super) fn bars(bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let label_width = bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
    let mut plot = String::new();
    for Bar { label, value, text } in bars {
        let share = if longest > 0.0 { value / longest } else { 0.0 };
        writeln!(plot, "{label:>label_width$} │{} {text}", blocks(share)).expect("a String takes all that is written");
    }
    plot
}

/// A share of the full width in blocks; whatever is above zero shows.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 8 times the width")]
fn blocks(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let eighths = (share * (8 * WIDTH) as f64).round() as usize;
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    let mut blocks: String = std::iter::repeat_n('█', eighths / 8).collect();
    if eighths % 8 > 0 {
        blocks.extend(EIGHTHS.get(eighths % 8));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_and_never_nothing() {
        fn check(share: f64, expected: &str) {
            assert_eq!(blocks(share), expected, "{share}");
        }
        check(1.0, &"█".repeat(40));
        check(0.5, &"█".repeat(20));
        check(3.0 / 320.0, "▍");
        check(17.0 / 320.0, "██▏");
        check(1e-9, "▏");
        check(0.0, "");
        check(-1.0, "");
        check(f64::INFINITY, &"█".repeat(40));
    }

    #[test]
    fn labels_stand_to_the_right_and_values_behind_the_bars() {
        let bar = |label: &str, value| Bar { label: label.to_owned(), value, text: format!("{value}") };
        let plot = bars(&[bar("1", 20.0), bar("10,000", 5.0), bar("ä", 0.0)]);
        let expected = format!("     1 │{} 20\n10,000 │{} 5\n     ä │ 0\n", "█".repeat(40), "█".repeat(10));
        assert_eq!(plot, expected);
        assert_eq!(bars(&[]), "");
    }
}
