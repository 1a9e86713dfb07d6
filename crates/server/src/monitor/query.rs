//! The query of a monitoring request, read and refused with nats-server's words.

use firn_config::go_quote;

/// The parameters in their order; of equal names the first counts.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// Why a request gets no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl Query {
    /// Pieces with a semicolon are passed over, as Go does.
    pub(crate) fn parse(text: &str) -> Query {
        let pieces = text.split('&').filter(|piece| !piece.contains(';'));
        let pairs = pieces.flat_map(|piece| form_urlencoded::parse(piece.as_bytes()));
        Query(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    /// Zero when it is not there.
    pub(crate) fn int(&self, name: &str) -> Result<i64, Refusal> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(0);
        }
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        text.parse().map_err(|_| wrong("int", name, "Atoi", text, is_number(digits)))
    }

    /// Zero when it is not there.
    pub(crate) fn unsigned(&self, name: &str) -> Result<u64, Refusal> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(0);
        }
        // Rust would take a leading plus sign; Go does not.
        let number = if is_number(text) { text.parse().ok() } else { None };
        number.ok_or_else(|| wrong("uint64", name, "ParseUint", text, is_number(text)))
    }

    /// False when it is not there.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            text => Err(wrong("boolean", name, "ParseBool", text, false)),
        }
    }

    /// `subs`: whether to list subscriptions, and whether in detail.
    pub(crate) fn subscriptions(&self) -> Result<(bool, bool), Refusal> {
        if self.text("subs").eq_ignore_ascii_case("detail") {
            return Ok((false, true));
        }
        Ok((self.flag("subs")?, false))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn wrong(kind: &str, name: &str, function: &str, text: &str, is_out_of_range: bool) -> Refusal {
    let what = if is_out_of_range { "value out of range" } else { "invalid syntax" };
    let quoted = go_quote(text);
    Refusal(format!("Error decoding {kind} for '{name}': strconv.{function}: parsing {quoted}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T>(result: Result<T, Refusal>) -> String {
        result.err().map(|refusal| refusal.0).unwrap_or_default()
    }

    #[test]
    fn wrong_values_are_refused_with_gos_words() {
        let query = Query::parse("limit=x&offset=99999999999999999999&cid=-1&big=18446744073709551616&auth=2");
        assert_eq!(
            refused(query.int("limit")),
            "Error decoding int for 'limit': strconv.Atoi: parsing \"x\": invalid syntax"
        );
        assert_eq!(
            refused(query.int("offset")),
            "Error decoding int for 'offset': strconv.Atoi: parsing \"99999999999999999999\": value out of range"
        );
        assert_eq!(
            refused(query.unsigned("cid")),
            "Error decoding uint64 for 'cid': strconv.ParseUint: parsing \"-1\": invalid syntax"
        );
        assert_eq!(
            refused(query.unsigned("big")),
            "Error decoding uint64 for 'big': strconv.ParseUint: parsing \"18446744073709551616\": value out of range"
        );
        assert_eq!(
            refused(query.flag("auth")),
            "Error decoding boolean for 'auth': strconv.ParseBool: parsing \"2\": invalid syntax"
        );
    }

    #[test]
    fn the_first_of_equal_names_counts_and_pieces_with_semicolons_do_not() {
        let query = Query::parse("limit=1&limit=2&acc=a%3Eb+c&offset=3;auth=1&subs=DETAIL");
        assert_eq!(query.int("limit"), Ok(1));
        assert_eq!(query.text("acc"), "a>b c");
        assert_eq!(query.int("offset"), Ok(0));
        assert_eq!(query.flag("auth"), Ok(false));
        assert_eq!(query.subscriptions(), Ok((false, true)));
    }
}
