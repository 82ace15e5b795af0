//! A YAML document as a small tree that remembers where everything stands.
//!
//! Limits: depth, number of nodes and bytes of text, all counted after aliases are replaced, so
//! that a few lines of anchors can't grow into gigabytes.

mod json;

use std::collections::HashMap;

use base::limits;
use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput};

use crate::error::{RuleError, RuleErrorKind};

/// A node and where it begins (line and column from 1, the column in characters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// What stands there.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping; no key stands in it twice.
    Map(Vec<(Node, Node)>),
}

/// A single value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Its text, without quotes.
    pub text: String,
    /// Written without quotes, so that it may be a number, a truth value or null.
    pub is_plain: bool,
    /// Where the first character of `text` stands: for block scalars a line below the node.
    pub text_line: u32,
    /// The column of that character.
    pub text_column: u32,
    /// Whether the lines of `text` are the lines of the file, each indented to `text_column`.
    pub keeps_lines: bool,
}

/// What a scalar says by YAML's core schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarType {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number,
    /// Anything else.
    Text,
}

impl Scalar {
    /// The type by the YAML 1.2 core schema: `yes` and `on` are text.
    #[must_use]
    pub fn scalar_type(&self) -> ScalarType {
        if !self.is_plain {
            return ScalarType::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => ScalarType::Null,
            "true" | "True" | "TRUE" => ScalarType::Bool(true),
            "false" | "False" | "FALSE" => ScalarType::Bool(false),
            text if is_number(text) => ScalarType::Number,
            _ => ScalarType::Text,
        }
    }
}

fn is_number(text: &str) -> bool {
    let all = |digits: &str, allowed: fn(&u8) -> bool| {
        !digits.is_empty() && digits.as_bytes().iter().all(allowed)
    };
    if let Some(hex) = text.strip_prefix("0x") {
        return all(hex, u8::is_ascii_hexdigit);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return all(octal, |byte| matches!(byte, b'0'..=b'7'));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.ends_with(|last: char| last.is_ascii_digit() || last == '.')
        && unsigned.bytes().any(|byte| byte.is_ascii_digit())
        && text.parse::<f64>().is_ok()
}

impl Node {
    pub(crate) fn error(&self, kind: RuleErrorKind) -> RuleError {
        RuleError::at(self.line, self.column, kind)
    }

    pub(crate) fn shape(&self, message: impl Into<String>) -> RuleError {
        self.error(RuleErrorKind::Shape(message.into()))
    }

    /// The single value, if it is one.
    #[must_use]
    pub const fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The text of a single value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    /// Text that says something: neither null nor blank.
    pub(crate) fn as_word(&self) -> Option<&str> {
        self.as_str().filter(|text| !self.is_null() && !text.trim().is_empty())
    }

    /// The entries of a mapping, in order.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Self, Self)]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Scalar(_) | Kind::List(_) => None,
        }
    }

    /// Whether it is a null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.scalar_type() == ScalarType::Null)
    }

    /// The entry under `key` of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.get_entry(key).map(|(_, value)| value)
    }

    /// The entry under `key` of a map, with the key's own node.
    #[must_use]
    pub fn get_entry(&self, key: &str) -> Option<&(Self, Self)> {
        self.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key))
    }

    /// What kind of node it is, for messages.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
            Kind::Scalar(scalar) => match scalar.scalar_type() {
                ScalarType::Null => "empty",
                ScalarType::Bool(_) => "a truth value",
                ScalarType::Number => "a number",
                ScalarType::Text => "a string",
            },
        }
    }

    /// Lays `over` on top: mappings are merged key by key, anything else is replaced.
    pub(crate) fn merged(self, over: Self) -> Self {
        match (self.kind, over.kind) {
            (Kind::Map(mut entries), Kind::Map(over_entries)) => {
                for (key, value) in over_entries {
                    let old = entries.iter().position(|(name, _)| name.as_str() == key.as_str());
                    match old.map(|index| entries.remove(index)) {
                        Some((_, old)) => entries.push((key, old.merged(value))),
                        None => entries.push((key, value)),
                    }
                }
                Self { line: over.line, column: over.column, kind: Kind::Map(entries) }
            }
            (_, kind) => Self { line: over.line, column: over.column, kind },
        }
    }
}

/// Reads all documents of a file. A document that can't be read is an error in its place, and the
/// next one is read nevertheless.
#[must_use]
pub fn parse(text: &str) -> Vec<Result<Node, RuleError>> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: limits::RULE_DEPTH_MAX,
        block_nesting_limit: limits::RULE_DEPTH_MAX,
    };
    Reader::new(text, options).read()
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// What anchors stand for, with the number of nodes and bytes each holds.
    anchors: HashMap<usize, (Node, usize, usize)>,
    nodes: usize,
    bytes: usize,
}

/// A collection that is being read.
struct Open {
    node: Node,
    anchor: usize,
    /// A mapping's key that waits for its value.
    key: Option<Node>,
    nodes_before: usize,
    bytes_before: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, options: Options) -> Self {
        let parser = Parser::new_from_str_with_options(text, options);
        Self { parser, anchors: HashMap::new(), nodes: 0, bytes: 0 }
    }

    fn read(mut self) -> Vec<Result<Node, RuleError>> {
        let mut documents = Vec::new();
        loop {
            match self.document() {
                Ok(Some(node)) => documents.push(Ok(node)),
                Ok(None) => return documents,
                Err(error) => {
                    let is_limit = error.help.is_some();
                    documents.push(Err(error));
                    // Past a limit, nothing of the file is trusted any more.
                    if is_limit || !matches!(self.parser.proceed_next_document(), Ok(true)) {
                        return documents;
                    }
                }
            }
        }
    }

    /// The next document; `None` at the end of the file.
    fn document(&mut self) -> Result<Option<Node>, RuleError> {
        let mut open: Vec<Open> = Vec::new();
        while let Some(next) = self.parser.next_event() {
            let (event, span) = next.map_err(|error| {
                let (line, column) = position(error.marker());
                RuleError::at(line, column, RuleErrorKind::Yaml(error.info()))
            })?;
            let (node, anchor) = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let is_tagged = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                    (self.scalar(text.into_owned(), style, is_tagged, &span)?, anchor)
                }
                Event::Alias(id) => (self.alias(id, &span)?, 0),
                Event::SequenceStart(_, anchor, _) | Event::MappingStart(_, anchor, _) => {
                    let is_list = matches!(event, Event::SequenceStart(..));
                    let kind = if is_list { Kind::List(Vec::new()) } else { Kind::Map(Vec::new()) };
                    open.push(self.open(kind, anchor, &span)?);
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(closed) = open.pop() else { continue };
                    if closed.anchor != 0 {
                        let nodes = self.nodes - closed.nodes_before;
                        let bytes = self.bytes - closed.bytes_before;
                        self.anchors.insert(closed.anchor, (closed.node.clone(), nodes, bytes));
                    }
                    (closed.node, 0)
                }
                Event::StreamEnd => return Ok(None),
                _ => continue,
            };
            if anchor != 0 {
                let bytes = node.as_str().map_or(0, str::len);
                self.anchors.insert(anchor, (node.clone(), 1, bytes));
            }
            match open.last_mut() {
                Some(parent) => parent.add(node)?,
                None => return Ok(Some(node)),
            }
        }
        Ok(None)
    }

    fn open(&mut self, kind: Kind, anchor: usize, span: &Span) -> Result<Open, RuleError> {
        let (line, column) = position(&span.start);
        let (nodes_before, bytes_before) = (self.nodes, self.bytes);
        self.count(1, 0, (line, column))?;
        let node = Node { line, column, kind };
        Ok(Open { node, anchor, key: None, nodes_before, bytes_before })
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        is_tagged: bool,
        span: &Span,
    ) -> Result<Node, RuleError> {
        let (line, column) = position(&span.start);
        self.count(1, text.len(), (line, column))?;
        let is_plain = style == ScalarStyle::Plain && !is_tagged;
        let (text_line, text_column, keeps_lines) = match style {
            ScalarStyle::Plain => (line, column, false),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => (line, column + 1, false),
            // The span of a block begins with its first line that is not blank.
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let blank = text.chars().take_while(|char| *char == '\n').count();
                let indent = span.indent.and_then(|indent| u32::try_from(indent).ok());
                (
                    line.saturating_sub(u32::try_from(blank).unwrap_or(0)),
                    indent.map_or(column, |indent| indent + 1),
                    style == ScalarStyle::Literal,
                )
            }
        };
        let scalar = Scalar { text, is_plain, text_line, text_column, keeps_lines };
        Ok(Node { line, column, kind: Kind::Scalar(scalar) })
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<Node, RuleError> {
        let (line, column) = position(&span.start);
        let Some((_, nodes, bytes)) = self.anchors.get(&id) else {
            let message = "an alias stands inside the node that it repeats".to_owned();
            return Err(RuleError::at(line, column, RuleErrorKind::Yaml(message)));
        };
        let (nodes, bytes) = (*nodes, *bytes);
        self.count(nodes, bytes, (line, column))?;
        let mut node = self.anchors.get(&id).map(|(node, ..)| node.clone()).unwrap_or(Node {
            line,
            column,
            kind: Kind::List(Vec::new()),
        });
        (node.line, node.column) = (line, column);
        Ok(node)
    }

    fn count(&mut self, nodes: usize, bytes: usize, at: (u32, u32)) -> Result<(), RuleError> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > limits::RULE_NODES_MAX || self.bytes > limits::RULE_TEXT_BYTES_MAX {
            let message = format!(
                "the file holds more than {} values or {} bytes of text once its aliases are \
                 replaced",
                limits::RULE_NODES_MAX,
                limits::RULE_TEXT_BYTES_MAX
            );
            let error = RuleError::at(at.0, at.1, RuleErrorKind::Yaml(message));
            return Err(error.with_help("split the file into smaller ones"));
        }
        Ok(())
    }
}

impl Open {
    fn add(&mut self, node: Node) -> Result<(), RuleError> {
        match &mut self.node.kind {
            Kind::List(members) => members.push(node),
            Kind::Map(entries) => match self.key.take() {
                None if node.as_scalar().is_none() => {
                    return Err(node.shape("a key must be plain text"));
                }
                None => {
                    let is_repeated = entries.iter().any(|(key, _)| key.as_str() == node.as_str());
                    if is_repeated {
                        let key = node.as_str().unwrap_or_default();
                        let message = format!("the key `{key}` stands twice in one mapping");
                        return Err(node.shape(message));
                    }
                    self.key = Some(node);
                }
                Some(key) => entries.push((key, node)),
            },
            Kind::Scalar(_) => {}
        }
        Ok(())
    }
}

fn position(marker: &granit_parser::Marker) -> (u32, u32) {
    let line = u32::try_from(marker.line()).unwrap_or(u32::MAX);
    let column = u32::try_from(marker.col()).unwrap_or(u32::MAX - 1);
    (line, column + 1)
}
