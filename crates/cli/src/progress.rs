//! Bars for what takes long, on standard error and only where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far something is. Clones show the same bar.
#[derive(Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of so many things.
    pub(crate) fn count(total: u64, is_shown: bool) -> Self {
        Self::new(total, is_shown, "{wide_bar} {human_pos}/{human_len} {per_sec} {eta}")
    }

    /// Of so many bytes.
    pub(crate) fn bytes(total: u64, is_shown: bool) -> Self {
        Self::new(total, is_shown, "{wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}")
    }

    fn new(total: u64, is_shown: bool, template: &str) -> Self {
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template(template).expect("the template is well formed");
        Self(ProgressBar::with_draw_target(Some(total), target).with_style(style))
    }

    pub(crate) fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    //! The texts from which bars are made.

    use super::*;

    #[test]
    fn every_kind_of_bar_can_be_made() {
        for progress in [Progress::count(10, false), Progress::bytes(10, true)] {
            progress.advance(3);
            progress.clone().advance(2);
            assert_eq!(progress.0.position(), 5);
            progress.finish();
        }
    }
}
