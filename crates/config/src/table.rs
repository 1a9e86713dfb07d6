//! What a row of the option table is, and how a block of the configuration is read by its rows.
//!
//! Not here: the rows themselves (`options/*`). A section is the table of one kind of block; `Section<T>` fills a `T`.
//! A section of a feature that does not exist yet fills nothing (`Section<()>`, rows of [`Read::Only`]): its blocks
//! are checked by the same code and then refused.

use std::time::Duration;

use crate::{
    Checks, Problem, go,
    value::{Map, Node, Position, Value},
};

/// One option.
pub(crate) struct Row<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) read: Read<T>,
    pub(crate) default: &'static str,
    pub(crate) fields: Fields,
    pub(crate) support: Support,
    pub(crate) doc: &'static str,
}

/// The fields of the NATS server an option fills, and what a reload does with each. Two are the most.
pub(crate) type Fields = [Option<(&'static str, Reload)>; 2];

/// What the value must be, and where it goes.
pub(crate) enum Read<T: 'static> {
    Bool(fn(&mut T, bool)),
    Int(fn(&mut T, i64)),
    /// A whole number of things: zero or more.
    Count(fn(&mut T, u64)),
    Text(fn(&mut T, &str)),
    Listen(fn(&mut T, &str, i64)),
    /// The same, or a number of seconds, which gives a warning.
    LooseDuration(fn(&mut T, Duration)),
    /// Anything that takes more to read.
    Own(Kind, fn(&mut T, &Entry<'_>, &mut Reader<'_>)),
    /// Only checked.
    Only(Kind),
}

/// What the value of an option looks like, for the documentation and for checking what is not used yet.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// `true`, `false` and their synonyms.
    Bool,
    /// A whole number with an optional unit.
    Int,
    /// A string.
    Text,
    /// A port, or `"host:port"`.
    Listen,
    /// A string such as `"2m"`.
    Duration,
    /// The same, or whole seconds.
    LooseDuration,
    /// Seconds with a fraction, or a duration string.
    Seconds,
    /// A number of bytes, as a number or as a string with a unit.
    Size,
    /// A string or a list of strings.
    Texts,
    /// A list of strings.
    List,
    /// A map of strings to strings.
    TextMap,
    /// A map of strings to booleans.
    BoolMap,
    /// A block with options of its own.
    Block(&'static dyn Table),
    /// A list of such blocks.
    Blocks(&'static dyn Table),
    /// A map of names to such blocks.
    NamedBlocks(&'static dyn Table),
    /// A boolean, or a block.
    BoolOrBlock(&'static dyn Table),
    /// A string, or a block.
    TextOrBlock(&'static dyn Table),
    /// A boolean, a string, or a block.
    SwitchOrBlock(&'static dyn Table),
    /// A form of its own, told in the description.
    Special,
}

/// Whether the feature behind an option exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    /// The option works.
    Now,
    /// The option is known and checked; a value that would change something is refused.
    NotYet,
}

/// What a running server does with a new value of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reload {
    /// Takes it and says this, with `{}` for the value.
    As(&'static str),
    /// Takes it without a word.
    Silently,
    /// Refuses the whole new configuration.
    Refused,
}

/// How a section speaks of a key it does not know.
pub(crate) enum Unknown {
    /// `unknown field "x"`
    Field,
    /// `error parsing tls config, unknown field "x"`, even if a variable used the key
    Tls,
    /// `error parsing tls certs config, unknown field "x"`, even if a variable used the key
    TlsCertificate,
    /// `Unknown field "x" parsing …`
    Parsing(&'static str),
    /// `Unknown field name "x" parsing subject permissions, only 'allow' or 'deny' are permitted`
    AllowOrDeny,
    /// `Unknown field "x" for mapping destination`
    Destination,
    /// Nothing at all
    Ignored,
}

/// All options of one kind of block.
pub(crate) struct Section<T: 'static> {
    pub(crate) unknown: Unknown,
    /// What to say of a value that is no block, with `{value}` or `{type}` for what it is; empty for Go's own words.
    pub(crate) no_map: &'static str,
    pub(crate) rows: &'static [Row<T>],
}

/// One option, for whoever prints the table.
#[derive(Clone, Copy)]
pub(crate) struct RowInfo {
    /// The name in the documentation.
    pub(crate) name: &'static str,
    /// Other names for the same.
    pub(crate) aliases: &'static [&'static str],
    /// What the value looks like.
    pub(crate) kind: Kind,
    /// The value without the option, as text; empty if there is none.
    pub(crate) default: &'static str,
    /// The names in `config reload not supported for …`, and whether a running server takes a new value.
    pub(crate) fields: Fields,
    /// Whether the feature exists.
    pub(crate) support: Support,
    /// What it is, in a sentence.
    pub(crate) doc: &'static str,
}

/// A section without the type it fills.
pub(crate) trait Table: Sync {
    /// Its options.
    fn rows(&self) -> Vec<RowInfo>;
    /// Reports what is wrong in a block and drops its values.
    fn check(&self, node: &Node, reader: &mut Reader<'_>);
}

/// A key of a block with its value.
pub(crate) struct Entry<'a> {
    /// The key as it was written.
    pub(crate) key: &'a str,
    pub(crate) node: &'a Node,
}

/// Collects what is wrong while blocks are read.
pub(crate) struct Reader<'a> {
    pub(crate) checks: &'a Checks,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) errors: Vec<Problem>,
    /// Position of the innermost value that has one, for those that have none.
    enclosing: Option<Position>,
    /// Inside of a value that is refused as a whole: no key in it needs to be refused as well.
    is_refused: bool,
}

impl<T> Row<T> {
    pub(crate) const fn new(name: &'static str, read: Read<T>, doc: &'static str) -> Row<T> {
        Row { name, aliases: &[], read, default: "", fields: [None, None], support: Support::Now, doc }
    }

    /// A row whose feature does not exist yet.
    pub(crate) const fn later(name: &'static str, kind: Kind, doc: &'static str) -> Row<T> {
        let mut row = Row::new(name, Read::Only(kind), doc);
        row.support = Support::NotYet;
        row
    }

    pub(crate) const fn or(mut self, aliases: &'static [&'static str]) -> Row<T> {
        self.aliases = aliases;
        self
    }

    pub(crate) const fn default(mut self, default: &'static str) -> Row<T> {
        self.default = default;
        self
    }

    /// A field of the NATS server the option fills, and what a reload does with it.
    pub(crate) const fn field(mut self, field: &'static str, reload: Reload) -> Row<T> {
        let [first, second] = &mut self.fields;
        let free = if first.is_none() { first } else { second };
        *free = Some((field, reload));
        self
    }

    fn is(&self, key: &str) -> bool {
        self.name == key || self.aliases.contains(&key)
    }

    fn kind(&self) -> Kind {
        match &self.read {
            Read::Bool(_) => Kind::Bool,
            Read::Int(_) | Read::Count(_) => Kind::Int,
            Read::Text(_) => Kind::Text,
            Read::Listen(_) => Kind::Listen,
            Read::LooseDuration(_) => Kind::LooseDuration,
            Read::Own(kind, _) | Read::Only(kind) => *kind,
        }
    }

    fn apply(&self, target: &mut T, entry: &Entry<'_>, reader: &mut Reader<'_>) {
        if self.support == Support::NotYet && !is_idle(&entry.node.value) {
            reader.not_yet(entry, |reader| self.read(target, entry, reader));
        } else {
            self.read(target, entry, reader);
        }
    }

    fn read(&self, target: &mut T, entry: &Entry<'_>, reader: &mut Reader<'_>) {
        let node = entry.node;
        match &self.read {
            Read::Bool(set) => reader.bool(node).into_iter().for_each(|is_on| set(target, is_on)),
            Read::Int(set) => reader.int(node).into_iter().for_each(|number| set(target, number)),
            Read::Count(set) => reader.count(entry).into_iter().for_each(|number| set(target, number)),
            Read::Text(set) => reader.text(node).into_iter().for_each(|text| set(target, text)),
            Read::Listen(set) => {
                reader.listen(node).into_iter().for_each(|(host, port)| set(target, host, port));
            }
            Read::LooseDuration(set) => {
                reader.loose_duration(entry).into_iter().for_each(|duration| set(target, duration));
            }
            Read::Own(_, read) => read(target, entry, reader),
            Read::Only(kind) => reader.check(*kind, entry),
        }
    }
}

impl<T> Section<T> {
    /// Reads a block; a value that is no block is a problem.
    pub(crate) fn read(&self, node: &Node, target: &mut T, reader: &mut Reader<'_>) {
        let value = &node.value;
        match value.as_map() {
            Some(map) => self.read_map(map, target, reader),
            None if self.no_map.is_empty() => reader.wrong_type(node, "map[string]interface {}"),
            None => {
                let text = self.no_map.replace("{value}", &value.go_value()).replace("{type}", value.go_type());
                reader.error(node, text);
            }
        }
    }

    pub(crate) fn read_map(&self, map: &Map, target: &mut T, reader: &mut Reader<'_>) {
        for (key, node) in map.iter() {
            reader.within(node, |reader| {
                let entry = Entry { key, node };
                let lower = key.to_lowercase();
                match self.rows.iter().find(|row| row.is(&lower)) {
                    Some(row) => row.apply(target, &entry, reader),
                    None => self.unknown(&entry, reader),
                }
            });
        }
    }

    fn unknown(&self, entry: &Entry<'_>, reader: &mut Reader<'_>) {
        let is_strict = matches!(self.unknown, Unknown::Tls | Unknown::TlsCertificate | Unknown::Destination);
        if entry.node.is_used && !is_strict {
            return;
        }
        let key = go::quote(entry.key);
        let text = match self.unknown {
            Unknown::Field => format!("unknown field {key}"),
            Unknown::Tls => format!("error parsing tls config, unknown field {key}"),
            Unknown::TlsCertificate => {
                format!("error parsing tls certs config, unknown field {key}")
            }
            Unknown::Parsing(what) => format!("Unknown field {key} parsing {what}"),
            Unknown::AllowOrDeny => {
                format!("Unknown field name {key} parsing subject permissions, only 'allow' or 'deny' are permitted")
            }
            Unknown::Destination => format!("Unknown field {key} for mapping destination"),
            Unknown::Ignored => return,
        };
        reader.error(entry.node, text);
    }
}

impl<T: Default> Table for Section<T> {
    fn rows(&self) -> Vec<RowInfo> {
        let info = |row: &Row<T>| RowInfo {
            name: row.name,
            aliases: row.aliases,
            kind: row.kind(),
            default: row.default,
            fields: row.fields,
            support: row.support,
            doc: row.doc,
        };
        self.rows.iter().map(info).collect()
    }

    fn check(&self, node: &Node, reader: &mut Reader<'_>) {
        self.read(node, &mut T::default(), reader);
    }
}

impl Kind {
    /// The section of the blocks inside such a value.
    pub(crate) fn table(&self) -> Option<&'static dyn Table> {
        match self {
            Kind::Block(table)
            | Kind::Blocks(table)
            | Kind::NamedBlocks(table)
            | Kind::BoolOrBlock(table)
            | Kind::TextOrBlock(table)
            | Kind::SwitchOrBlock(table) => Some(*table),
            Kind::Bool
            | Kind::Int
            | Kind::Text
            | Kind::Listen
            | Kind::Duration
            | Kind::LooseDuration
            | Kind::Seconds
            | Kind::Size
            | Kind::Texts
            | Kind::List
            | Kind::TextMap
            | Kind::BoolMap
            | Kind::Special => None,
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(checks: &'a Checks) -> Reader<'a> {
        Reader { checks, warnings: Vec::new(), errors: Vec::new(), enclosing: None, is_refused: false }
    }

    pub(crate) fn error(&mut self, node: &Node, text: impl std::fmt::Display) {
        let position = self.position(node);
        self.errors.push(Problem::at(position, text));
    }

    pub(crate) fn warn(&mut self, entry: &Entry<'_>, reason: impl std::fmt::Display) {
        let position = self.position(entry.node);
        self.warnings.push(Problem::at(position, format!("invalid use of field {}: {reason}", go::quote(entry.key))));
    }

    /// Refuses a key whose feature does not exist yet; `inside` reports what else is wrong with its value.
    pub(crate) fn not_yet(&mut self, entry: &Entry<'_>, inside: impl FnOnce(&mut Self)) {
        if self.is_refused {
            return inside(self);
        }
        let position = self.position(entry.node);
        let place = position.as_ref().map_or_else(String::new, |position| format!(" ({position})"));
        self.errors.push(Problem { position, text: format!("not supported yet: {}{place}", entry.key) });
        self.is_refused = true;
        inside(self);
        self.is_refused = false;
    }

    pub(crate) fn position(&self, node: &Node) -> Option<Position> {
        node.position.clone().or_else(|| self.enclosing.clone())
    }

    /// Does something inside of a value, whose position then stands for those that have none.
    pub(crate) fn within(&mut self, node: &Node, action: impl FnOnce(&mut Self)) {
        let enclosing = self.enclosing.clone();
        self.enclosing = self.position(node);
        action(self);
        self.enclosing = enclosing;
    }

    pub(crate) fn wrong_type(&mut self, node: &Node, wanted: &str) {
        let found = node.value.go_type();
        self.error(node, format!("interface conversion: interface {{}} is {found}, not {wanted}"));
    }

    pub(crate) fn bool(&mut self, node: &Node) -> Option<bool> {
        let is_on = node.value.as_bool();
        if is_on.is_none() {
            self.wrong_type(node, "bool");
        }
        is_on
    }

    pub(crate) fn int(&mut self, node: &Node) -> Option<i64> {
        let number = node.value.as_int();
        if number.is_none() {
            self.wrong_type(node, "int64");
        }
        number
    }

    pub(crate) fn count(&mut self, entry: &Entry<'_>) -> Option<u64> {
        let number = self.int(entry.node)?;
        let count = u64::try_from(number).ok();
        if count.is_none() {
            self.error(entry.node, format!("{} can not be negative", entry.key));
        }
        count
    }

    pub(crate) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        let text = node.value.as_text();
        if text.is_none() {
            self.wrong_type(node, "string");
        }
        text
    }

    pub(crate) fn map<'n>(&mut self, node: &'n Node) -> Option<&'n Map> {
        let map = node.value.as_map();
        if map.is_none() {
            self.wrong_type(node, "map[string]interface {}");
        }
        map
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        let nodes = node.value.as_list();
        if nodes.is_none() {
            self.wrong_type(node, "[]interface {}");
        }
        nodes
    }

    /// A port with an empty host, or `host:port`.
    pub(crate) fn listen<'n>(&mut self, node: &'n Node) -> Option<(&'n str, i64)> {
        if let Some(port) = node.value.as_int() {
            return Some(("", port));
        }
        let Some(address) = node.value.as_text() else {
            self.error(node, format!("expected port or host:port, got {}", node.value.go_type()));
            return None;
        };
        let Some((host, port)) = split_host_port(address) else {
            self.error(node, format!("could not parse address string {}", go::quote(address)));
            return None;
        };
        let number = port.parse().ok();
        if number.is_none() {
            self.error(node, format!("could not parse port {}", go::quote(port)));
        }
        Some((host, number?))
    }

    pub(crate) fn duration(&mut self, entry: &Entry<'_>) -> Option<Duration> {
        let text = self.text(entry.node)?;
        match go::parse_duration(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.error(entry.node, format!("error parsing {}: {error}", entry.key.to_lowercase()));
                None
            }
        }
    }

    pub(crate) fn loose_duration(&mut self, entry: &Entry<'_>) -> Option<Duration> {
        if matches!(entry.node.value, Value::Text(_)) {
            return self.duration(entry);
        }
        let seconds = self.count(entry)?;
        let lower = Entry { key: &entry.key.to_lowercase(), node: entry.node };
        self.warn(&lower, format!("{} should be converted to a duration", lower.key));
        Some(Duration::from_secs(seconds))
    }

    /// Seconds as a number or as a duration string; `block` names the block in messages.
    pub(crate) fn seconds(&mut self, node: &Node, block: &str) -> Option<f64> {
        let problem = match &node.value {
            Value::Int(seconds) => return Some(*seconds as f64),
            Value::Float(seconds) => return Some(*seconds),
            Value::Text(text) => match go::parse_duration(text) {
                Ok(duration) => return Some(duration.as_secs_f64()),
                Err(error) => format!("error parsing {block} config, 'timeout' {error}"),
            },
            Value::Bool(_) | Value::Datetime(_) | Value::List(_) | Value::Map(_) => {
                format!("error parsing {block} config, 'timeout' wrong type")
            }
        };
        self.error(node, problem);
        None
    }

    /// A string or a list of strings; `what` names them in messages.
    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<String>> {
        let Some(nodes) = node.as_list_or_text() else {
            let found = node.value.go_type();
            self.error(node, format!("error parsing {what}: unsupported type {found}"));
            return None;
        };
        let mut texts = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node.value.as_text() {
                Some(text) => texts.push(text.to_owned()),
                None => {
                    let found = node.value.go_type();
                    self.error(node, format!("error parsing {what}: unsupported type in array {found}"));
                }
            }
        }
        Some(texts)
    }

    /// Reports what is wrong with a value nobody uses yet.
    fn check(&mut self, kind: Kind, entry: &Entry<'_>) {
        let node = entry.node;
        match kind {
            Kind::Bool => drop(self.bool(node)),
            Kind::Int => drop(self.int(node)),
            Kind::Text => drop(self.text(node)),
            Kind::Listen => drop(self.listen(node)),
            Kind::Duration => drop(self.duration(entry)),
            Kind::LooseDuration => drop(self.loose_duration(entry)),
            Kind::Seconds => drop(self.seconds(node, entry.key)),
            Kind::Size => {
                if !matches!(node.value, Value::Text(_)) {
                    self.int(node);
                }
            }
            Kind::Texts => drop(self.texts(node, &entry.key.to_lowercase())),
            Kind::List => {
                for node in self.list(node).unwrap_or_default() {
                    self.text(node);
                }
            }
            Kind::TextMap => {
                for (_, node) in self.map(node).into_iter().flat_map(Map::iter) {
                    self.text(node);
                }
            }
            Kind::BoolMap => {
                for (_, node) in self.map(node).into_iter().flat_map(Map::iter) {
                    self.bool(node);
                }
            }
            Kind::Block(table) => table.check(node, self),
            Kind::Blocks(table) => {
                for node in self.list(node).unwrap_or_default() {
                    self.within(node, |reader| table.check(node, reader));
                }
            }
            Kind::NamedBlocks(table) => {
                for (_, node) in self.map(node).into_iter().flat_map(Map::iter) {
                    self.within(node, |reader| table.check(node, reader));
                }
            }
            Kind::BoolOrBlock(table) => {
                if !matches!(node.value, Value::Bool(_)) {
                    table.check(node, self);
                }
            }
            Kind::TextOrBlock(table) => {
                if !matches!(node.value, Value::Text(_)) {
                    table.check(node, self);
                }
            }
            Kind::SwitchOrBlock(table) => {
                if !matches!(node.value, Value::Bool(_) | Value::Text(_)) {
                    table.check(node, self);
                }
            }
            Kind::Special => {}
        }
    }
}

/// Whether a value asks for nothing: then it does not matter that its feature does not exist.
fn is_idle(value: &Value) -> bool {
    match value {
        Value::Bool(is_on) => !is_on,
        Value::Int(number) => *number == 0,
        Value::Text(text) => text.is_empty() || text.eq_ignore_ascii_case("disabled"),
        Value::List(nodes) => nodes.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Float(_) | Value::Datetime(_) => false,
    }
}

/// Host and port around the last colon; a host with colons stands in brackets.
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':')?;
        let is_plain = !port.contains([':', '[', ']']) && !host.contains('[');
        return is_plain.then_some((host, port));
    }
    let (host, port) = address.rsplit_once(':')?;
    (!host.contains([':', '[', ']']) && !port.contains(['[', ']'])).then_some((host, port))
}
