//! Static types, as the checker infers them.

use std::{fmt, sync::Arc};

/// A static type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// Any; only the evaluation tells.
    Dyn,
    /// `null`.
    Null,
    /// A truth value.
    Bool,
    /// A 64-bit integer with sign.
    Int,
    /// A 64-bit integer without sign.
    Uint,
    /// A floating-point number.
    Double,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
    /// A point in time.
    Timestamp,
    /// A span of time.
    Duration,
    /// An IP address.
    Ip,
    /// A network.
    Cidr,
    /// A list of members of a type.
    List(Box<Type>),
    /// A map from keys to values.
    Map(Box<Type>, Box<Type>),
    /// A value that may be absent.
    Optional(Box<Type>),
    /// A type.
    TypeOf(Box<Type>),
    /// A type of a name, which only a declaration knows.
    Named(Arc<str>, Vec<Type>),
    /// A type that is still to be found out.
    #[doc(hidden)]
    Variable(usize),
}

impl Type {
    /// A list of `member`.
    #[must_use]
    pub fn list(member: Self) -> Self {
        Self::List(Box::new(member))
    }

    /// A map from `key` to `value`.
    #[must_use]
    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// Reads a type as it is written: `string`, `list(int)`, `map(string, dyn)`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text, variable: &|_| None };
        let parsed = reader.read()?;
        reader.rest.trim().is_empty().then_some(parsed)
    }

    /// The types inside.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::List(inner) | Self::Optional(inner) | Self::TypeOf(inner) => vec![inner],
            Self::Map(key, value) => vec![key, value],
            Self::Named(_, parts) => parts.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The same type with other types inside.
    pub(crate) fn with_parts(&self, change: &mut dyn FnMut(&Self) -> Self) -> Self {
        match self {
            Self::List(inner) => Self::list(change(inner)),
            Self::Optional(inner) => Self::Optional(Box::new(change(inner))),
            Self::TypeOf(inner) => Self::TypeOf(Box::new(change(inner))),
            Self::Map(key, value) => Self::map(change(key), change(value)),
            Self::Named(name, parts) => {
                Self::Named(Arc::clone(name), parts.iter().map(change).collect())
            }
            other => other.clone(),
        }
    }

    /// Whether it is built alike, whatever is inside.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(a, _), Self::Named(b, _)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Dyn | Self::Variable(_) => "dyn",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::Ip => "net.IP",
            Self::Cidr => "net.CIDR",
            Self::List(_) => "list",
            Self::Map(..) => "map",
            Self::Optional(_) => "optional_type",
            Self::TypeOf(_) => "type",
            Self::Named(name, _) => name,
        };
        f.write_str(name)?;
        let parts = self.parts();
        if parts.is_empty() {
            return Ok(());
        }
        for (index, part) in parts.iter().enumerate() {
            write!(f, "{}{part}", if index == 0 { "(" } else { ", " })?;
        }
        f.write_str(")")
    }
}

/// A function's types: `.(string, A) -> list(A)`.
#[derive(Debug, Clone)]
pub(crate) struct Overload {
    pub(crate) is_member: bool,
    pub(crate) parameters: Vec<Type>,
    pub(crate) result: Type,
    /// How many type parameters there are; each is a [`Type::Variable`] below this.
    pub(crate) variables: usize,
}

impl Overload {
    /// Reads an overload. Type parameters are capital letters, or names with a `$`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (arguments, result) = text.rsplit_once("->")?;
        let arguments = arguments.trim();
        let is_member = arguments.starts_with('.');
        let inner = arguments.trim_start_matches('.').strip_prefix('(')?.strip_suffix(')')?;
        let names = std::cell::RefCell::new(Vec::<String>::new());
        let variable = |name: &str| {
            let is_variable = name.starts_with('$')
                || (name.len() == 1 && name.starts_with(|c: char| c.is_ascii_uppercase()));
            is_variable.then(|| {
                let mut names = names.borrow_mut();
                let known = names.iter().position(|known| known == name);
                known.unwrap_or_else(|| {
                    names.push(name.to_owned());
                    names.len() - 1
                })
            })
        };
        let mut reader = Reader { rest: inner, variable: &variable };
        let parameters = reader.read_all()?;
        let mut reader = Reader { rest: result, variable: &variable };
        let result = reader.read()?;
        let variables = names.borrow().len();
        Some(Self { is_member, parameters, result, variables })
    }
}

struct Reader<'t> {
    rest: &'t str,
    /// The number of a type parameter, if a name is one.
    variable: &'t dyn Fn(&str) -> Option<usize>,
}

impl Reader<'_> {
    fn read_all(&mut self) -> Option<Vec<Type>> {
        let mut all = Vec::new();
        self.rest = self.rest.trim_start();
        while !self.rest.is_empty() && !self.rest.starts_with(')') {
            all.push(self.read()?);
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest.trim_start(),
                None => break,
            }
        }
        Some(all)
    }

    fn read(&mut self) -> Option<Type> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| "(), ".contains(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let mut parts = Vec::new();
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            parts = self.read_all()?;
            self.rest = self.rest.trim_start().strip_prefix(')')?;
        }
        if let Some(variable) = (self.variable)(name) {
            return Some(Type::Variable(variable));
        }
        let mut parts = parts.into_iter();
        let mut next = || parts.next().unwrap_or(Type::Dyn);
        Some(match name {
            "" => return None,
            "dyn" | "any" => Type::Dyn,
            "null" | "null_type" => Type::Null,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::Text,
            "bytes" => Type::Bytes,
            "timestamp" | "google.protobuf.Timestamp" => Type::Timestamp,
            "duration" | "google.protobuf.Duration" => Type::Duration,
            "ip" | "net.IP" => Type::Ip,
            "cidr" | "net.CIDR" => Type::Cidr,
            "list" => Type::list(next()),
            "map" => Type::map(next(), next()),
            "optional" | "optional_type" => Type::Optional(Box::new(next())),
            "type" => Type::TypeOf(Box::new(next())),
            other => Type::Named(other.into(), parts.collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::DECLARATIONS;

    #[test]
    fn types_read_as_they_are_written() {
        for text in ["int", "list(map(string, dyn))", "optional_type(type(int))", "tuple(a, b)"] {
            assert_eq!(Type::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "list(int", "int)", "list(,)"] {
            assert_eq!(Type::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_declaration_reads() {
        for declaration in DECLARATIONS.iter().filter(|known| !known.is_variadic()) {
            for text in declaration.overloads {
                let overload = Overload::parse(text).expect(text);
                let of_names = |kind: &Type| matches!(kind, Type::Named(..));
                assert!(!overload.parameters.iter().any(of_names), "{text}");
                assert!(!of_names(&overload.result), "{text}");
            }
        }
        let overload = Overload::parse(".(map(A, B), list($C)) -> A").unwrap();
        assert!(overload.is_member && overload.variables == 3);
    }
}
