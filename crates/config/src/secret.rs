//! Text that must not reach a log by accident: it has no `Debug` and no `Display`.

/// A password or token. Comparing two of them is for noticing a change, not for authenticating: it takes varying
/// time.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for the one place that checks it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
