//! Medians over repeated runs, and the ratio between two servers.

/// The middle value; the mean of the two middle ones when their number is even. `None` when there are none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

/// `firn / reference`; `None` where the reference's figure is zero and a ratio says nothing.
pub(crate) fn ratio(firn: f64, reference: f64) -> Option<f64> {
    (reference != 0.0).then(|| firn / reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted_values() {
        fn check(values: &[f64], expected: Option<f64>) {
            assert_eq!(median(values), expected, "{values:?}");
        }
        check(&[], None);
        check(&[4.0], Some(4.0));
        check(&[9.0, 1.0, 5.0], Some(5.0));
        check(&[1.0, 100.0], Some(50.5));
        check(&[8.0, 2.0, 4.0, 6.0], Some(5.0));
        check(&[1e9, 1.0, 1.0], Some(1.0));
    }

    #[test]
    fn a_ratio_divides_firn_by_the_reference() {
        assert_eq!(ratio(150.0, 600.0), Some(0.25));
        assert_eq!(ratio(1.0, 0.0), None);
    }
}
