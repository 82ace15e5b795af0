//! The fields of a log source, for the checker.

use std::collections::BTreeMap;

use base::ColumnType;

use crate::{functions::nearest, types::Type};

/// Which fields a log source's events have.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    fields: BTreeMap<String, Type>,
    is_closed: bool,
}

/// What a schema says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// A field of this type.
    Field(Type),
    /// No field, which is a mistake; perhaps this one was meant.
    Unknown(Option<String>),
    /// The path goes into a field that has no fields.
    NoObject(String, Type),
}

impl Schema {
    /// A schema without fields, in which every name may be a field.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// A schema without fields, in which every name is a mistake.
    #[must_use]
    pub fn closed() -> Self {
        Self { is_closed: true, ..Self::default() }
    }

    /// The same with a field. Its name has dots where it is inside another.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, kind: Type) -> Self {
        self.fields.insert(name.into(), kind);
        self
    }

    /// The same with the columns of a table.
    #[must_use]
    pub fn with_columns<'c>(
        mut self,
        columns: impl IntoIterator<Item = (&'c str, ColumnType)>,
    ) -> Self {
        for (name, column) in columns {
            let kind = match column {
                ColumnType::Text => Type::Text,
                ColumnType::Int => Type::Int,
                ColumnType::Float => Type::Double,
                ColumnType::Bool => Type::Bool,
                ColumnType::TextList => Type::list(Type::Text),
            };
            self.fields.insert(name.to_owned(), kind);
        }
        self
    }

    /// What is known of a name with dots.
    pub(crate) fn field(&self, name: &str) -> Known {
        if let Some(kind) = self.fields.get(name) {
            return Known::Field(kind.clone());
        }
        let inside = format!("{name}.");
        let mut after = self.fields.range(inside.clone()..);
        if after.next().is_some_and(|(known, _)| known.starts_with(&inside)) {
            // Unless there may be other fields: one of this very name is found first.
            let object = Type::map(Type::Text, Type::Dyn);
            return Known::Field(if self.is_closed { object } else { Type::Dyn });
        }
        let mut outer = name;
        while let Some((before, _)) = outer.rsplit_once('.') {
            outer = before;
            match self.fields.get(outer) {
                Some(Type::Map(_, value)) => {
                    let depth = name.matches('.').count() - outer.matches('.').count();
                    let kind = if depth == 1 { (**value).clone() } else { Type::Dyn };
                    return Known::Field(kind);
                }
                Some(Type::Dyn) => return Known::Field(Type::Dyn),
                Some(kind) => return Known::NoObject(outer.to_owned(), kind.clone()),
                None => {}
            }
        }
        if self.is_closed {
            let near = nearest(name, self.fields.keys().map(String::as_str));
            return Known::Unknown(near.map(str::to_owned));
        }
        Known::Field(Type::Dyn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_fields_and_what_is_inside_them() {
        let schema = Schema::closed()
            .with("user.name", Type::Text)
            .with("tags", Type::map(Type::Text, Type::Int))
            .with("raw", Type::Dyn);
        let object = Type::map(Type::Text, Type::Dyn);
        for (name, expected) in [
            ("user.name", Known::Field(Type::Text)),
            ("user", Known::Field(object)),
            ("tags.a", Known::Field(Type::Int)),
            ("tags.a.b", Known::Field(Type::Dyn)),
            ("raw.a.b", Known::Field(Type::Dyn)),
            ("user.name.first", Known::NoObject("user.name".to_owned(), Type::Text)),
            ("user.nmae", Known::Unknown(Some("user.name".to_owned()))),
            ("nothing", Known::Unknown(None)),
        ] {
            assert_eq!(schema.field(name), expected, "{name}");
        }
        let open = Schema::open().with("user.name", Type::Text);
        assert_eq!(open.field("nothing"), Known::Field(Type::Dyn));
        assert_eq!(open.field("user"), Known::Field(Type::Dyn));
    }
}
