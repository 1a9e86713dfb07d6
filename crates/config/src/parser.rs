//! From items to a tree: nesting, number suffixes, variables, and the limits that keep any input harmless.
//!
//! Not here: characters (`lexer`), path arithmetic of includes (`include`), options.
//!
//! Two stacks, as in the NATS server, because its oddities follow from them: one of open maps and lists, and one of
//! keys that wait for their value. A number with an unknown unit (`1kbb`) leaves its key behind, and a map that is
//! closed where a value is due takes the wrong key.
//!
//! Invariants: depth of the tree ≤ `DEPTH_MAX`, also after variables and includes; weight of all trees and texts of
//! one reading ≤ `WEIGHT_MAX`; no file includes itself, and no environment variable refers to itself.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    Source, include,
    lexer::{Item, Kind, Lexer, text_of},
    value::{Map, Node, Position, Value},
};

/// Levels of `{` and `[` in one tree, so that walking it cannot exhaust the stack. The NATS server has no limit.
pub const DEPTH_MAX: usize = 128;

/// Bytes of text and of values a configuration may grow to by includes and variables. The NATS server has no limit.
pub const WEIGHT_MAX: usize = 64 << 20;

/// Files one configuration may read. The NATS server has no limit.
pub const FILES_MAX: usize = 1000;

/// Reads a file with everything it includes. The error is the server's text for it.
pub(crate) fn parse_file(path: &str, source: &dyn Source) -> Result<Map, String> {
    let mut budget = Budget { weight: WEIGHT_MAX, files: FILES_MAX, ..Budget::default() };
    file(path, source, &mut budget, 0)
}

/// What all files and variables of one reading share.
#[derive(Default)]
struct Budget {
    weight: usize,
    files: usize,
    open_files: Vec<String>,
    open_variables: BTreeSet<String>,
}

impl Budget {
    fn charge(&mut self, weight: usize) -> Result<(), String> {
        self.weight = self
            .weight
            .checked_sub(weight)
            .ok_or_else(|| format!("configuration grows beyond {WEIGHT_MAX} bytes by its includes and variables"))?;
        Ok(())
    }
}

fn file(path: &str, source: &dyn Source, budget: &mut Budget, depth: usize) -> Result<Map, String> {
    if budget.open_files.iter().any(|open| open == path) {
        return Err(format!("include cycle for '{path}'"));
    }
    budget.files =
        budget.files.checked_sub(1).ok_or_else(|| format!("configuration reads more than {FILES_MAX} files"))?;
    let text = source.read(path.as_ref())?;
    budget.charge(text.len())?;
    budget.open_files.push(path.to_owned());
    let map = Parser::new(&text, Some(path), source, budget, depth).parse();
    budget.open_files.pop();
    map
}

/// A map or list whose end was not seen yet.
enum Open {
    Map(Map),
    List(Vec<Node>),
}

struct Key {
    name: String,
    position: Option<Position>,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Name of the file, `None` for the text of an environment variable.
    file: Option<Arc<str>>,
    source: &'a dyn Source,
    budget: &'a mut Budget,
    /// Levels above the text's own.
    depth: usize,
    open: Vec<Open>,
    keys: Vec<Key>,
}

impl<'a> Parser<'a> {
    fn new(
        text: &'a [u8],
        file: Option<&str>,
        source: &'a dyn Source,
        budget: &'a mut Budget,
        depth: usize,
    ) -> Parser<'a> {
        let file = file.map(Arc::from);
        Parser { lexer: Lexer::new(text), file, source, budget, depth, open: Vec::new(), keys: Vec::new() }
    }

    fn parse(mut self) -> Result<Map, String> {
        self.open.push(Open::Map(Map::default()));
        let mut is_key_last = false;
        loop {
            let item = self.lexer.next_item();
            if item.kind == Kind::End && is_key_last {
                let file = self.file.as_deref().unwrap_or_default();
                return Err(format!("config is invalid ({file}:{}:{})", item.line, item.column));
            }
            if item.kind == Kind::End {
                break;
            }
            // A last `}` may close the braces around a whole file, though it reads like a key.
            is_key_last = item.kind == Kind::Key && item.text != b"}";
            self.take(item)?;
        }
        match self.open.into_iter().next() {
            Some(Open::Map(map)) => Ok(map),
            Some(Open::List(_)) | None => {
                unreachable!("the first open map is closed by nobody else")
            }
        }
    }

    fn take(&mut self, item: Item) -> Result<(), String> {
        let value = match item.kind {
            Kind::Error => {
                return Err(format!("Parse error on line {}: '{}'", item.line, text_of(&item.text)));
            }
            Kind::Comment | Kind::End => return Ok(()),
            Kind::Key => {
                self.keys.push(Key { name: text_of(&item.text), position: self.position(&item) });
                return Ok(());
            }
            Kind::MapStart => return self.begin(Open::Map(Map::default())),
            Kind::ListStart => return self.begin(Open::List(Vec::new())),
            Kind::MapEnd | Kind::ListEnd => match self.open.pop() {
                Some(Open::Map(map)) => Value::Map(map),
                Some(Open::List(nodes)) => Value::List(nodes),
                None => unreachable!("the lexer ends only what it began"),
            },
            Kind::Text => Value::Text(text_of(&item.text)),
            Kind::Bool => Value::Bool(matches!(item.text.to_ascii_lowercase().as_slice(), b"true" | b"yes" | b"on")),
            Kind::Integer => match integer(&text_of(&item.text))? {
                Some(number) => Value::Int(number),
                None => return Ok(()),
            },
            Kind::Float => Value::Float(float(&text_of(&item.text))?),
            Kind::Datetime => Value::Datetime(datetime(text_of(&item.text))?),
            Kind::Variable => self.variable(&text_of(&item.text), item.line)?,
            Kind::Include => return self.include(&text_of(&item.text)),
        };
        let position = self.position(&item);
        self.put(Node { value, position, is_used: false })
    }

    fn position(&self, item: &Item) -> Option<Position> {
        let file = self.file.clone()?;
        Some(Position { file, line: item.line, column: item.column })
    }

    fn begin(&mut self, open: Open) -> Result<(), String> {
        self.check_depth(1)?;
        self.open.push(open);
        Ok(())
    }

    fn check_depth(&self, more: usize) -> Result<(), String> {
        if self.depth + self.open.len() + more <= DEPTH_MAX {
            return Ok(());
        }
        Err(format!("configuration is nested deeper than {DEPTH_MAX} levels"))
    }

    /// Puts a value where it belongs. In a map it takes the place of its key.
    fn put(&mut self, mut node: Node) -> Result<(), String> {
        match self.open.last_mut() {
            Some(Open::List(nodes)) => nodes.push(node),
            Some(Open::Map(map)) => {
                let key = self.keys.pop().ok_or("a value has no key")?;
                if node.position.is_some() {
                    node.position = key.position;
                }
                map.insert(key.name, node);
            }
            None => unreachable!("the outermost map stays open to the end"),
        }
        Ok(())
    }

    /// The value of `$name`: from the maps that are open, inside out, or from the environment.
    fn variable(&mut self, name: &str, line: usize) -> Result<Value, String> {
        // A bcrypt hash need not be quoted.
        if name.starts_with("2a$") {
            return Ok(Value::Text(format!("${name}")));
        }
        let known = self.open.iter_mut().rev().find_map(|open| match open {
            Open::Map(map) => map.get_mut(name),
            Open::List(_) => None,
        });
        if let Some(node) = known {
            node.is_used = true;
            let (weight, depth) = node.value.measure();
            self.budget.charge(weight)?;
            let value = node.value.clone();
            self.check_depth(depth)?;
            return Ok(value);
        }
        let value = self
            .environment(name)
            .map_err(|error| format!("variable reference for '{name}' on line {line} could not be parsed: {error}"))?;
        value.ok_or_else(|| format!("variable reference for '{name}' on line {line} can not be found"))
    }

    /// An environment variable holds a value in the configuration language.
    fn environment(&mut self, name: &str) -> Result<Option<Value>, String> {
        if self.budget.open_variables.contains(name) {
            return Err(format!("variable reference cycle for '{name}'"));
        }
        let Some(text) = self.source.variable(name) else { return Ok(None) };
        self.budget.charge(text.len())?;
        self.check_depth(1)?;
        let text = format!("pk={text}");
        self.budget.open_variables.insert(name.to_owned());
        let depth = self.depth + self.open.len();
        let parsed = Parser::new(text.as_bytes(), None, self.source, self.budget, depth).parse();
        self.budget.open_variables.remove(name);
        Ok(parsed?.get("pk").map(|node| node.value.clone()))
    }

    /// Adds the keys of another file to the innermost map.
    fn include(&mut self, name: &str) -> Result<(), String> {
        let path = include::beside(self.file.as_deref().unwrap_or_default(), name);
        self.check_depth(1)?;
        let depth = self.depth + self.open.len();
        let map = file(&path, self.source, self.budget, depth)
            .map_err(|error| format!("error parsing include file '{name}', {error}"))?;
        let Some(Open::Map(innermost)) = self.open.last_mut() else {
            unreachable!("an include stands where a key may stand");
        };
        for (key, node) in map.into_entries() {
            innermost.insert(key, node);
        }
        Ok(())
    }
}

/// A number with its unit; `None` if the unit means nothing, which drops key and value without a word.
fn integer(text: &str) -> Result<Option<i64>, String> {
    let unit_start = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_start);
    let number: i64 = digits.parse().map_err(|_| format!("integer '{text}' is out of the range"))?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        "p" => 1_000_000_000_000_000,
        "e" => 1_000_000_000_000_000_000,
        "kb" | "ki" | "kib" => 1 << 10,
        "mb" | "mi" | "mib" => 1 << 20,
        "gb" | "gi" | "gib" => 1 << 30,
        "tb" | "ti" | "tib" => 1 << 40,
        "pb" | "pi" | "pib" => 1 << 50,
        "eb" | "ei" | "eib" => 1 << 60,
        _ => return Ok(None),
    };
    // The server's arithmetic wraps, and a file that starts there must start here.
    Ok(Some(number.wrapping_mul(scale)))
}

fn float(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
        .ok_or_else(|| format!("float '{text}' is out of the range"))
}

fn datetime(text: String) -> Result<String, String> {
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u32>().ok());
    let is_valid = || {
        let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
        let (hour, minute, second) = (part(11..13)?, part(14..16)?, part(17..19)?);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(is_leap),
            1..=12 => 31,
            _ => return None,
        };
        (hour < 24 && minute < 60 && second < 60 && (1..=days).contains(&day)).then_some(())
    };
    if is_valid().is_none() {
        return Err(format!("expected Zulu formatted DateTime, but got '{text}'"));
    }
    Ok(text)
}
