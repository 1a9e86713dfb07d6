//! From a tree of values into a message, member by member.

use std::{collections::BTreeMap, fmt, str::FromStr};

use data_encoding::BASE64;
use serde::{Serialize, Serializer};

use super::{
    JsonError,
    parse::{Fault, Kind, Parser, Value},
    quote,
};

/// What can be read from JSON. Reading adds to what is there, so that a message starts from its defaults.
pub trait Read {
    /// Takes the value over.
    ///
    /// # Errors
    /// It is none of this type; what was read before it stays.
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError>;

    /// What the reference server calls the type in its errors.
    fn type_name() -> String
    where
        Self: Sized;

    /// The same as an element of a list, where some stand behind a pointer.
    fn element_name() -> String
    where
        Self: Sized,
    {
        Self::type_name()
    }
}

/// What is read from a JSON object.
pub trait Object {
    /// Its members in their order.
    fn members(&mut self) -> Vec<Member<'_>>;
}

/// What may be missing as a whole appears with its first member.
impl<T: Object + Default> Object for Option<T> {
    fn members(&mut self) -> Vec<Member<'_>> {
        self.get_or_insert_default().members()
    }
}

/// A key and where its value goes.
pub type Member<'a> = (&'static str, &'a mut dyn Read);

/// Where in a message a value stands: for errors, and for how strict its reader is.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    outer: Option<&'a At<'a>>,
    step: Step<'a>,
    strict: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root(&'a str),
    Key(&'a str),
    Index(usize),
}

/// Reads exactly one document, passing over keys that are not known.
///
/// # Errors
/// The text is no JSON or not of this type.
pub fn read<T: Read + Default>(text: &[u8]) -> Result<T, JsonError> {
    let mut parser = Parser::new(text);
    let value = parser.next().and_then(|value| value.ok_or(Fault::End)).map_err(Fault::alone)?;
    parser.finish().map_err(Fault::alone)?;
    let mut message = T::default();
    message.read(&value, &At::root(&T::type_name(), false))?;
    Ok(message)
}

/// Reads documents that follow one another, each adding to those before; none at all is a message of defaults. Keys
/// that are not known are refused.
///
/// # Errors
/// The text is no JSON or not of this type, or has a key that is not known.
pub fn read_strict<T: Read + Default>(text: &[u8]) -> Result<T, JsonError> {
    let mut parser = Parser::new(text);
    let mut message = T::default();
    while let Some(value) = parser.next().map_err(Fault::in_stream)? {
        message.read(&value, &At::root(&T::type_name(), true))?;
    }
    Ok(message)
}

/// Reads a request as a server does whose configuration says `strict` or not: what a strict reader refuses gets a
/// second chance with a plain one.
///
/// # Errors
/// Those of [`read_strict`] or of [`read`].
pub fn read_with<T: Read + Default>(text: &[u8], strict: bool) -> Result<T, JsonError> {
    match read_strict(text) {
        Err(_) if !strict => read(text),
        outcome => outcome,
    }
}

/// Could this be a request in JSON? Some requests take anything else as if nothing had been sent.
pub fn is_json(text: &[u8]) -> bool {
    let first = text.iter().find(|byte| !b" \t\r\n".contains(byte));
    matches!(first, Some(b'{' | b'['))
}

/// Is this nothing, or an object without members?
pub fn is_empty_request(text: &[u8]) -> bool {
    let mut parser = Parser::new(text);
    match (text, parser.next()) {
        ([], _) => true,
        (_, Ok(Some(Value { kind: Kind::Object(members), .. }))) => members.is_empty() && parser.finish().is_ok(),
        _ => false,
    }
}

/// For `skip_serializing_if`: the reference server leaves out what is zero, false or empty.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads the members of an object into `object`.
///
/// # Errors
/// The value is no object, one of its members is of another type, or a strict reader does not know its key.
pub(crate) fn read_object<T: Object + Read>(object: &mut T, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
    let members = match &value.kind {
        Kind::Null => return Ok(()),
        Kind::Object(members) => members,
        Kind::Bool(_) | Kind::Number(_) | Kind::String(_) | Kind::Array(_) => return Err(at.mismatch::<T>(value)),
    };
    let mut known = object.members();
    for (key, value) in members {
        match member(&mut known, key) {
            Some((name, target)) => target.read(value, &at.step(Step::Key(name)))?,
            None if at.strict => return Err(JsonError::new(format!("json: unknown field {}", quote(key)))),
            None => {}
        }
    }
    Ok(())
}

/// The member of this name, or else the first whose name differs in case only.
pub(crate) fn member<'m, 'o>(members: &'m mut [Member<'o>], key: &str) -> Option<&'m mut Member<'o>> {
    let exact = members.iter().position(|(name, _)| *name == key);
    let found = exact.or_else(|| members.iter().position(|(name, _)| fold(name).eq(fold(key))));
    found.and_then(|index| members.get_mut(index))
}

/// Characters that differ in case only are the same: also the long s and the sign of kelvin.
fn fold(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

impl<'a> At<'a> {
    /// A message of this type.
    pub fn root(type_name: &'a str, strict: bool) -> Self {
        At { outer: None, step: Step::Root(type_name), strict }
    }

    fn step<'b>(&'b self, step: Step<'b>) -> At<'b> {
        At { outer: Some(self), step, strict: self.strict }
    }

    /// The member of this name.
    pub(crate) fn key<'b>(&'b self, key: &'b str) -> At<'b> {
        self.step(Step::Key(key))
    }

    /// A value is of another type than the member it is for.
    pub fn mismatch<T: Read>(&self, value: &Value<'_>) -> JsonError {
        let kind = match &value.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "bool",
            Kind::Number(_) => "number",
            Kind::String(_) => "string",
            Kind::Array(_) => "array",
            Kind::Object(_) => "object",
        };
        self.cannot_take::<T>(kind)
    }

    fn cannot_take<T: Read>(&self, what: &str) -> JsonError {
        let place = match self.step {
            Step::Root(_) => "Go value".to_owned(),
            Step::Key(_) => format!("Go struct field {self}"),
            Step::Index(_) => self.to_string(),
        };
        JsonError::new(format!("json: cannot unmarshal {what} into {place} of type {}", T::type_name()))
    }
}

/// The type of the message without its package, and the path from there.
impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            write!(f, "{outer}.")?;
        }
        match self.step {
            Step::Root(type_name) => f.write_str(type_name.rsplit('.').next().unwrap_or(type_name)),
            Step::Key(key) => f.write_str(key),
            Step::Index(index) => write!(f, "{index}"),
        }
    }
}

impl Value<'_> {
    /// An integer for a member of type `T`, or none where there is null.
    ///
    /// # Errors
    /// It is no number, or one that `N` does not hold.
    pub(crate) fn integer<T: Read, N: FromStr>(&self, at: &At<'_>) -> Result<Option<N>, JsonError> {
        match &self.kind {
            Kind::Null => Ok(None),
            Kind::Number(text) => {
                let number = text.parse().map_err(|_| at.cannot_take::<T>(&format!("number {text}")))?;
                Ok(Some(number))
            }
            Kind::Bool(_) | Kind::String(_) | Kind::Array(_) | Kind::Object(_) => Err(at.mismatch::<T>(self)),
        }
    }
}

/// `isize` is what the reference server calls `int`.
macro_rules! integers {
    ($($type:ty: $name:literal,)+) => {
        $(impl Read for $type {
            fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
                if let Some(number) = value.integer::<Self, Self>(at)? {
                    *self = number;
                }
                Ok(())
            }

            fn type_name() -> String {
                $name.to_owned()
            }
        })+
    };
}

integers! {
    isize: "int",
    i32: "int32",
    i64: "int64",
    u16: "uint16",
    u64: "uint64",
}

impl Read for bool {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        match &value.kind {
            Kind::Null => {}
            Kind::Bool(flag) => *self = *flag,
            Kind::Number(_) | Kind::String(_) | Kind::Array(_) | Kind::Object(_) => {
                return Err(at.mismatch::<Self>(value));
            }
        }
        Ok(())
    }

    fn type_name() -> String {
        "bool".to_owned()
    }
}

impl Read for String {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        match &value.kind {
            Kind::Null => {}
            Kind::String(text) => text.clone_into(self),
            Kind::Bool(_) | Kind::Number(_) | Kind::Array(_) | Kind::Object(_) => {
                return Err(at.mismatch::<Self>(value));
            }
        }
        Ok(())
    }

    fn type_name() -> String {
        "string".to_owned()
    }
}

/// A member that may be missing: `null` takes it away.
impl<T: Read + Default> Read for Option<T> {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        if value.kind == Kind::Null {
            *self = None;
            return Ok(());
        }
        self.get_or_insert_default().read(value, at)
    }

    fn type_name() -> String {
        T::type_name()
    }

    fn element_name() -> String {
        T::element_name()
    }
}

/// A later list replaces an earlier one.
impl<T: Read + Default> Read for Vec<T> {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        match &value.kind {
            Kind::Null => self.clear(),
            Kind::Array(values) => {
                self.clear();
                for (index, value) in values.iter().enumerate() {
                    let mut element = T::default();
                    element.read(value, &at.step(Step::Index(index)))?;
                    self.push(element);
                }
            }
            Kind::Bool(_) | Kind::Number(_) | Kind::String(_) | Kind::Object(_) => {
                return Err(at.mismatch::<Self>(value));
            }
        }
        Ok(())
    }

    fn type_name() -> String {
        format!("[]{}", T::element_name())
    }
}

/// Sorted by key, as the reference server prints it; a later one adds to an earlier one.
impl<T: Read + Default> Read for BTreeMap<String, T> {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        match &value.kind {
            Kind::Null => self.clear(),
            Kind::Object(members) => {
                for (key, value) in members {
                    let mut element = T::default();
                    element.read(value, &at.step(Step::Key(key)))?;
                    self.insert(key.clone(), element);
                }
            }
            Kind::Bool(_) | Kind::Number(_) | Kind::String(_) | Kind::Array(_) => {
                return Err(at.mismatch::<Self>(value));
            }
        }
        Ok(())
    }

    fn type_name() -> String {
        format!("map[string]{}", T::element_name())
    }
}

/// Bytes that stand in JSON as base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl Read for Bytes {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        match &value.kind {
            Kind::Null => self.0.clear(),
            Kind::String(text) => {
                let bytes = BASE64.decode(text.as_bytes());
                self.0 = bytes.map_err(|error| JsonError::new(format!("illegal base64 data: {error}")))?;
            }
            Kind::Bool(_) | Kind::Number(_) | Kind::Array(_) | Kind::Object(_) => {
                return Err(at.mismatch::<Self>(value));
            }
        }
        Ok(())
    }

    fn type_name() -> String {
        "[]uint8".to_owned()
    }
}
