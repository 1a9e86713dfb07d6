//! One rewrite of subjects: a source pattern and a destination with functions.

use super::MappingError;
use crate::{pattern, subject};

/// A compiled source-to-destination rewrite.
#[derive(Clone, Debug)]
pub struct Transform {
    source: Box<[u8]>,
    destination: Vec<Part>,
}

/// What makes one token, or several, of the destination. Tokens of the source are counted from zero.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<[u8]>),
    /// All that the `>` of the source stands for.
    Tail,
    Wildcard(usize),
    /// The FNV-1a hash of these tokens, or of the whole subject if there are none, modulo the first number.
    Partition(u32, Vec<usize>),
    /// A number below this one.
    Random(u32),
    Split(usize, Box<[u8]>),
    SplitFromLeft(usize, usize),
    SplitFromRight(usize, usize),
    SliceFromLeft(usize, usize),
    SliceFromRight(usize, usize),
    Left(usize, usize),
    Right(usize, usize),
}

/// Function names in the order in which a token is searched for them; the capitals may be written small or large.
const FUNCTIONS: [(&str, Function); 10] = [
    ("Wildcard", Function::Wildcard),
    ("Partition", Function::Partition),
    ("SplitFromLeft", Function::Sized(Part::SplitFromLeft)),
    ("SplitFromRight", Function::Sized(Part::SplitFromRight)),
    ("SliceFromLeft", Function::Sized(Part::SliceFromLeft)),
    ("SliceFromRight", Function::Sized(Part::SliceFromRight)),
    ("Right", Function::Sized(Part::Right)),
    ("Left", Function::Sized(Part::Left)),
    ("Split", Function::Split),
    ("Random", Function::Random),
];

#[derive(Clone, Copy)]
enum Function {
    Wildcard,
    Partition,
    Random,
    Split,
    /// Of a wildcard and a number of bytes.
    Sized(fn(usize, usize) -> Part),
}

impl Transform {
    /// Compiles `source` to `destination`; both in the configuration's text form. No source is `>`.
    ///
    /// # Errors
    /// If one of them is no subject, only one ends in `>`, or a function of the destination is not known or not rightly
    /// used.
    pub fn new(source: &[u8], destination: &[u8]) -> Result<Transform, MappingError> {
        Self::compile(source, destination, false)
    }

    /// As [`Transform::new`], for a destination that was checked by nobody: its functions must be known too.
    ///
    /// # Errors
    /// Those of [`Transform::new`], and a function in the destination that is not known.
    pub fn checked(source: &[u8], destination: &[u8]) -> Result<Transform, MappingError> {
        check_mapping_destination(destination)?;
        Self::new(source, destination)
    }

    /// As [`Transform::new`], for what must be reversible: the only function is `wildcard`, and each `*` is used.
    ///
    /// # Errors
    /// Those of [`Transform::new`], and a destination that cannot be reversed.
    pub fn reversible(source: &[u8], destination: &[u8]) -> Result<Transform, MappingError> {
        Self::compile(source, destination, true)
    }

    /// The destination for a literal subject, or `None` when the source does not match. `random` feeds `{{random(N)}}`.
    pub fn apply(&self, subject: &[u8], random: u64) -> Option<Vec<u8>> {
        (subject::is_literal(subject) && pattern::matches(&self.source, subject)).then(|| self.render(subject, random))
    }

    /// The destination for a subject that the source matches.
    pub(super) fn render(&self, subject: &[u8], mut random: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, part) in self.destination.iter().enumerate() {
            if i > 0 {
                out.push(b'.');
            }
            self.render_part(part, subject, &mut random, &mut out);
        }
        out
    }

    fn render_part(&self, part: &Part, subject: &[u8], random: &mut u64, out: &mut Vec<u8>) {
        let token = |index: usize| subject::tokens(subject).nth(index).unwrap_or_default();
        let mut halves = |(left, right): (&[u8], &[u8])| {
            out.extend_from_slice(left);
            if !left.is_empty() && !right.is_empty() {
                out.push(b'.');
            }
            out.extend_from_slice(right);
        };
        match part {
            Part::Text(text) => out.extend_from_slice(text),
            Part::Tail => {
                let fixed = subject::token_count(&self.source) - 1;
                join(subject::tokens(subject).skip(fixed), out);
            }
            Part::Wildcard(index) => out.extend_from_slice(token(*index)),
            Part::Partition(count, indexes) => {
                let hash = match indexes.as_slice() {
                    [] => fnv1a(subject.iter()),
                    _ => fnv1a(indexes.iter().flat_map(|&index| token(index))),
                };
                out.extend_from_slice(hash.checked_rem(*count).unwrap_or(0).to_string().as_bytes());
            }
            Part::Random(count) => {
                // What one random token has used up is not there for the next, so that they are independent.
                let count = u64::from(*count).max(1);
                out.extend_from_slice((*random % count).to_string().as_bytes());
                *random /= count;
            }
            Part::Split(index, separator) => split(token(*index), separator, out),
            Part::SplitFromLeft(index, size) => {
                let token = token(*index);
                halves(token.split_at_checked(*size).unwrap_or((token, b"")));
            }
            Part::SplitFromRight(index, size) => {
                let token = token(*index);
                halves(token.split_at(token.len().saturating_sub(*size)));
            }
            Part::SliceFromLeft(index, size) => join(slices(token(*index), 0, *size), out),
            Part::SliceFromRight(index, size) => {
                let token = token(*index);
                join(slices(token, token.len().checked_rem(*size).unwrap_or(0), *size), out);
            }
            Part::Left(index, size) => {
                let token = token(*index);
                out.extend_from_slice(if *size == 0 { token } else { token.get(..*size).unwrap_or(token) });
            }
            Part::Right(index, size) => {
                let token = token(*index);
                let start = if *size == 0 { 0 } else { token.len().saturating_sub(*size) };
                out.extend_from_slice(token.get(start..).unwrap_or(token));
            }
        }
    }

    fn compile(source: &[u8], destination: &[u8], reversible: bool) -> Result<Transform, MappingError> {
        let source = if source.is_empty() { b">" } else { source };
        let (Some(source_ends), Some(destination_ends)) = (ends_open(source), ends_open(destination)) else {
            return Err(invalid_subject());
        };
        if source_ends != destination_ends || subject::tokens(destination).any(|token| token == b"*") {
            return Err(invalid_subject());
        }
        let scope = Scope::of(source);
        let parts: Vec<Part> =
            subject::tokens(destination).map(|token| scope.compile(token)).collect::<Result<_, _>>()?;
        if reversible {
            let is_plain = |part: &Part| matches!(part, Part::Text(_) | Part::Tail | Part::Wildcard(_));
            if let Some((_, token)) = parts.iter().zip(subject::tokens(destination)).find(|(part, _)| !is_plain(part)) {
                return Err(destination_error(NOT_REVERSIBLE, token));
            }
            if parts.iter().filter(|part| matches!(part, Part::Wildcard(_))).count() < scope.wildcards.len() {
                return Err(destination_error(WILDCARDS_LEFT_OUT, destination));
            }
        }
        Ok(Transform { source: source.into(), destination: parts })
    }
}

/// What a destination may refer to.
struct Scope {
    /// Index among the source's tokens of each `*`.
    wildcards: Vec<usize>,
    is_literal: bool,
}

impl Scope {
    fn of(source: &[u8]) -> Self {
        let stars = subject::tokens(source).enumerate().filter(|(_, token)| *token == b"*");
        Self { wildcards: stars.map(|(index, _)| index).collect(), is_literal: subject::is_literal(source) }
    }

    fn compile(&self, token: &[u8]) -> Result<Part, MappingError> {
        if token == b">" {
            return Ok(Part::Tail);
        }
        if let Some(digits) = token.strip_prefix(b"$") {
            // Other subjects begin with `$` too.
            return match number::<i64>(digits) {
                Some(index) => self.wildcard(index, token).map(Part::Wildcard),
                None => Ok(Part::Text(token.into())),
            };
        }
        if !is_function(token) {
            return Ok(Part::Text(token.into()));
        }
        let Some((function, arguments)) = find_function(token) else {
            return Err(destination_error(UNKNOWN_FUNCTION, token));
        };
        self.compile_function(function, &arguments, token)
    }

    fn compile_function(&self, function: Function, arguments: &[&[u8]], token: &[u8]) -> Result<Part, MappingError> {
        let invalid = || destination_error(INVALID_ARGUMENT, token);
        let index = |argument: &[u8]| number::<i64>(argument).ok_or_else(invalid);
        match (function, arguments) {
            (Function::Wildcard, [b""]) => Err(destination_error(NOT_ENOUGH_ARGUMENTS, token)),
            (Function::Wildcard, [only]) => self.wildcard(index(only)?, token).map(Part::Wildcard),
            (Function::Wildcard, _) => Err(destination_error(TOO_MANY_ARGUMENTS, token)),
            (Function::Partition, [count, indexes @ ..]) => {
                let count = wrapped(index(count)?).ok_or_else(invalid)?;
                let indexes = indexes.iter().map(|argument| index(argument)).collect::<Result<Vec<_>, _>>()?;
                if self.is_literal {
                    return Ok(Part::Partition(count, Vec::new()));
                }
                let indexes = indexes.into_iter().map(|index| self.wildcard(index, token)).collect::<Result<_, _>>()?;
                Ok(Part::Partition(count, indexes))
            }
            (Function::Random, [count]) => {
                let count = index(count)?;
                wrapped(count).ok_or_else(invalid)?;
                Ok(Part::Random(u32::try_from(count.unsigned_abs()).map_err(|_| invalid())?))
            }
            (Function::Random, _) => Err(destination_error(NOT_ENOUGH_ARGUMENTS, token)),
            (Function::Partition | Function::Split | Function::Sized(_), [] | [_]) => {
                Err(destination_error(NOT_ENOUGH_ARGUMENTS, token))
            }
            (Function::Split, [from, separator]) => {
                let from = index(from)?;
                if separator.contains(&b' ') {
                    return Err(invalid());
                }
                Ok(Part::Split(self.wildcard(from, token)?, (*separator).into()))
            }
            (Function::Sized(part), [from, size]) => {
                let from = index(from)?;
                let size = number::<i32>(size).ok_or_else(invalid)?;
                // Nothing is cut off at a size below one.
                Ok(part(self.wildcard(from, token)?, usize::try_from(size).unwrap_or(0)))
            }
            (Function::Split | Function::Sized(_), _) => Err(destination_error(TOO_MANY_ARGUMENTS, token)),
        }
    }

    /// The source token of the n-th `*`, counted from one; below that it is the first token.
    fn wildcard(&self, index: i64, token: &[u8]) -> Result<usize, MappingError> {
        if self.is_literal {
            return Err(destination_error(OUT_OF_RANGE, token));
        }
        let Ok(index) = usize::try_from(index) else { return Ok(0) };
        let Some(nth) = index.checked_sub(1) else { return Ok(0) };
        self.wildcards.get(nth).copied().ok_or_else(|| {
            let MappingError(text) = destination_error(OUT_OF_RANGE, token);
            MappingError(format!("{text}: [{index}]"))
        })
    }
}

const INVALID_TRANSFORM: &str = "invalid transform";
const WILDCARDS_LEFT_OUT: &str = "not using all of the token wildcard(s)";
const UNKNOWN_FUNCTION: &str = "unknown function";
const OUT_OF_RANGE: &str = "wildcard index out of range";
const NOT_ENOUGH_ARGUMENTS: &str = "not enough arguments passed to the function";
const INVALID_ARGUMENT: &str = "function argument is invalid or in the wrong format";
const TOO_MANY_ARGUMENTS: &str = "too many arguments passed to the function";
const NOT_REVERSIBLE: &str = "the only mapping function allowed for import transforms is {{Wildcard()}}";

pub(super) fn invalid_subject() -> MappingError {
    MappingError("invalid subject".into())
}

fn destination_error(fault: &str, token: &[u8]) -> MappingError {
    MappingError(match token {
        b"" => format!("invalid mapping destination: {fault}"),
        _ => format!("invalid mapping destination: {fault} in {}", String::from_utf8_lossy(token)),
    })
}

/// What an account's mapping asks of a destination beyond what a transform needs.
pub(super) fn check_mapping_destination(destination: &[u8]) -> Result<(), MappingError> {
    let mut ended = false;
    for token in subject::tokens(destination) {
        if token.is_empty() || ended {
            return Err(destination_error(INVALID_TRANSFORM, token));
        }
        if is_function(token) {
            if find_function(token).is_none() {
                return Err(destination_error(UNKNOWN_FUNCTION, token));
            }
        } else if token.iter().any(|byte| b" \t\n\r\x0c".contains(byte)) {
            return Err(destination_error(INVALID_TRANSFORM, b""));
        }
        ended = token == b">";
    }
    Ok(())
}

/// Whether a subject ends in `>`; `None` if it is no subject. White space is welcome between a function's arguments.
fn ends_open(text: &[u8]) -> Option<bool> {
    let mut open = false;
    for token in subject::tokens(text) {
        if token.is_empty() || open {
            return None;
        }
        open = token == b">";
    }
    Some(open)
}

fn is_function(token: &[u8]) -> bool {
    token.len() > 4 && token.starts_with(b"{{") && token.ends_with(b"}}")
}

/// The first function in the table that the token calls, with its arguments.
fn find_function(token: &[u8]) -> Option<(Function, Vec<&[u8]>)> {
    FUNCTIONS.into_iter().find_map(|(name, function)| Some((function, find_arguments(token, name)?)))
}

/// The arguments of a call of this function anywhere in the token, up to the last parenthesis that ends a call.
fn find_arguments<'a>(token: &'a [u8], name: &str) -> Option<Vec<&'a [u8]>> {
    let call = (0..token.len()).find_map(|start| {
        let call = skip_space(token.get(start..)?.strip_prefix(b"{{")?);
        let (written, call) = call.split_at_checked(name.len())?;
        let agrees = |(&written, named): (&u8, u8)| {
            written == named || (named.is_ascii_uppercase() && written == named.to_ascii_lowercase())
        };
        let inside = written.iter().zip(name.bytes()).all(agrees).then(|| skip_space(call).strip_prefix(b"("))??;
        let ends = |end: &usize| {
            inside
                .get(*end..)
                .and_then(|rest| rest.strip_prefix(b")"))
                .is_some_and(|r| skip_space(r).starts_with(b"}}"))
        };
        inside.get(..(0..inside.len()).rev().find(ends)?)
    })?;
    Some(call.split(|&byte| byte == b',').enumerate().map(|(i, a)| if i > 0 { skip_space(a) } else { a }).collect())
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c');
    bytes.split_at(bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len())).1
}

/// A decimal number between spaces.
fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.trim_matches(' ').parse().ok()
}

/// A count that must fit 31 bits; a negative one is taken as the unsigned number of the same low 32 bits.
fn wrapped(count: i64) -> Option<u32> {
    if count > i64::from(i32::MAX) {
        return None;
    }
    u32::try_from(count & i64::from(u32::MAX)).ok()
}

fn fnv1a<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn join<'a>(pieces: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (i, piece) in pieces.enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(piece);
    }
}

/// `first` bytes, if any, and then pieces of `size` bytes; all in one piece if `size` is zero.
fn slices(token: &[u8], first: usize, size: usize) -> impl Iterator<Item = &[u8]> {
    let (head, rest) = token.split_at_checked(first).unwrap_or((b"", token));
    let size = if size == 0 { token.len() } else { size };
    Some(head).filter(|head| !head.is_empty()).into_iter().chain(rest.chunks(size.max(1)))
}

/// Drops empty pieces, but not every dot that goes with them: of two separators or more at the start one dot stays, and
/// the subject then reaches nobody.
fn split(token: &[u8], separator: &[u8], out: &mut Vec<u8>) {
    let pieces = pieces(token, separator);
    let starts_empty = pieces.first().is_some_and(|piece| piece.is_empty());
    for (i, piece) in pieces.into_iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
        if i > usize::from(starts_empty) {
            out.push(b'.');
        }
        out.extend_from_slice(piece);
    }
}

/// What lies between the separators; between the characters if there is none.
fn pieces<'a>(token: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = token;
    if separator.is_empty() {
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(first_character(rest));
            pieces.push(piece);
            rest = more;
        }
        return pieces;
    }
    while let Some(at) = memchr::memmem::find(rest, separator) {
        let (piece, more) = rest.split_at(at);
        pieces.push(piece);
        rest = more.strip_prefix(separator).unwrap_or_default();
    }
    pieces.push(rest);
    pieces
}

/// How many bytes the first character of a non-empty text has; a byte that is not UTF-8 counts as one.
fn first_character(text: &[u8]) -> usize {
    let chunk = text.utf8_chunks().next();
    chunk.and_then(|chunk| chunk.valid().chars().next()).map_or(1, char::len_utf8)
}
