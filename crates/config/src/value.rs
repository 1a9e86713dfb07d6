//! What a configuration text means before anyone asks which options exist: a tree of values with positions.
//!
//! Not here: how text becomes a tree (`parser`), and what a key stands for (`options`).
//!
//! A map keeps its keys in the order of the text, so that problems can be listed in that order; a key that comes
//! twice keeps its first place and its last value. There is no `Debug`: trees hold passwords.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::go;

/// Where a value stands in its file, counted as the NATS server counts: lines from one, columns from zero on the
/// first line and from one on all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file as it was named, or as its `include` was resolved.
    pub file: Arc<str>,
    /// Line, from one.
    pub line: usize,
    /// Column of the key, or of the element of a list. Escapes in a string can push it below zero.
    pub column: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A value of the configuration language.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number, its suffix already multiplied in.
    Int(i64),
    /// A number with digits on both sides of its point.
    Float(f64),
    /// Quoted, unquoted or block text. Bytes that are not UTF-8 became U+FFFD, one each.
    Text(String),
    /// A valid `YYYY-MM-DDThh:mm:ssZ`.
    Datetime(String),
    /// `[…]`.
    List(Vec<Node>),
    /// `{…}`.
    Map(Map),
}

/// A value and where it stands.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// `None` inside a map or list that came from an environment variable.
    pub position: Option<Position>,
    /// Whether a `$variable` referred to it: then its key need not be an option.
    pub is_used: bool,
}

/// The entries of a `{…}` in the order of the text.
#[derive(Clone, Default, PartialEq)]
pub struct Map {
    entries: Vec<(String, Node)>,
    places: BTreeMap<String, usize>,
}

impl Value {
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(is_on) = self { Some(*is_on) } else { None }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        if let Value::Int(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn as_list(&self) -> Option<&[Node]> {
        if let Value::List(nodes) = self { Some(nodes) } else { None }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        if let Value::Map(map) = self { Some(map) } else { None }
    }

    /// The name Go gives the type of this value: the server's messages name types so.
    pub(crate) fn go_type(&self) -> &'static str {
        match self {
            Value::Bool(_) => "bool",
            Value::Int(_) => "int64",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::Datetime(_) => "time.Time",
            Value::List(_) => "[]interface {}",
            Value::Map(_) => "map[string]interface {}",
        }
    }

    /// The value as Go's `%v` shows it; of maps and lists only the brackets, whose inside may be secret.
    pub(crate) fn go_value(&self) -> String {
        match self {
            Value::Bool(is_on) => is_on.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => go::float(*number),
            Value::Text(text) | Value::Datetime(text) => text.clone(),
            Value::List(_) => "[…]".to_owned(),
            Value::Map(_) => "map[…]".to_owned(),
        }
    }

    /// How much room a copy takes, in units of about a byte, and how many levels it is deep.
    pub(crate) fn measure(&self) -> (usize, usize) {
        fn sum<'a>(nodes: impl Iterator<Item = (usize, &'a Node)>) -> (usize, usize) {
            nodes.fold((NODE_WEIGHT, 1), |(weight, depth), (key_len, node)| {
                let (node_weight, node_depth) = node.value.measure();
                (weight + 2 * key_len + node_weight, depth.max(1 + node_depth))
            })
        }
        match self {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => (NODE_WEIGHT, 0),
            Value::Text(text) | Value::Datetime(text) => (NODE_WEIGHT + text.len(), 0),
            Value::List(nodes) => sum(nodes.iter().map(|node| (0, node))),
            Value::Map(map) => sum(map.iter().map(|(key, node)| (key.len(), node))),
        }
    }
}

/// About the size of a node with its share of a map.
const NODE_WEIGHT: usize = 160;

impl Node {
    /// The elements of a list; a string stands for a list of itself.
    pub(crate) fn as_list_or_text(&self) -> Option<&[Node]> {
        if self.value.as_text().is_some() { Some(std::slice::from_ref(self)) } else { self.value.as_list() }
    }

    /// A node of which nobody knows the place.
    pub(crate) fn unplaced(value: Value) -> Node {
        Node { value, position: None, is_used: false }
    }
}

impl Map {
    /// The node of exactly this key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.places.get(key).and_then(|place| self.entries.get(*place)).map(|(_, node)| node)
    }

    /// The entries in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// The entries in the order of their keys' bytes.
    pub fn sorted(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.places.iter().filter_map(|(key, place)| Some((key.as_str(), &self.entries.get(*place)?.1)))
    }

    /// Number of distinct keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing between the braces.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.places.get(key).and_then(|place| self.entries.get_mut(*place)).map(|(_, node)| node)
    }

    pub(crate) fn insert(&mut self, key: String, node: Node) {
        match self.get_mut(&key) {
            Some(known) => *known = node,
            None => {
                self.places.insert(key.clone(), self.entries.len());
                self.entries.push((key, node));
            }
        }
    }

    pub(crate) fn into_entries(self) -> Vec<(String, Node)> {
        self.entries
    }
}
