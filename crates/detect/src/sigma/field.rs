//! A line of a selection: a field, its modifiers, and the values it is tested for.

use std::{ops::Range, sync::Arc};

use super::{
    expression::{Expression, Flags},
    modifier::Modifier,
    node::{Kind, Node, Scalar, ScalarType},
    pattern::Pattern,
    placeholder,
    test::{Comparison, FieldComparison, Network, Number, NumberTest, Test, TimePart},
};
use crate::{
    error::{RuleError, RuleErrorKind},
    rule::Placeholders,
};

/// A field with its values: one test of a selection.
#[derive(Debug, Clone)]
pub(crate) struct FieldTest {
    /// The field's index in the detection; `None` searches all fields.
    pub(crate) field: Option<usize>,
    /// Every value must hold, not just one.
    pub(crate) all: bool,
    /// Where it stands in its file, so that reasons can be told in the order of the rule.
    pub(crate) place: (u32, u32),
    /// No value may hold (`neq`).
    pub(crate) is_negated: bool,
    /// The values, in order.
    pub(crate) values: Vec<ValueTest>,
    /// The forms of all values, side by side: a rule that does not match reads nothing else.
    pub(crate) forms: Vec<Test>,
    /// The number of the first form among those of the detection.
    pub(crate) first: usize,
    /// Whether each form is decided by one value of the field alone.
    pub(crate) is_simple: bool,
}

/// A value: it holds if any of its forms does.
#[derive(Debug, Clone)]
pub(crate) struct ValueTest {
    /// Which of the field's forms are those of the value.
    pub(crate) forms: Range<usize>,
    /// The test in a reader's words, such as `endswith '\lsass.exe'`.
    pub(crate) words: Arc<str>,
}

/// How a line's values are to be read: its modifiers, in order.
struct Reading<'r> {
    key: &'r Node,
    modifiers: Vec<Modifier>,
    is_keyword: bool,
    placeholders: &'r Placeholders,
}

/// Gives fields their indices.
pub(crate) type FieldIndex<'r> = dyn FnMut(&str) -> usize + 'r;

impl FieldTest {
    /// The forms of a value.
    pub(crate) fn forms_of(&self, value: &ValueTest) -> &[Test] {
        self.forms.get(value.forms.clone()).unwrap_or_default()
    }

    /// Gives fields other numbers: `places` has them by the old ones.
    pub(super) fn renumber(&mut self, places: &[usize]) {
        let place = |field: usize| places.get(field).copied().unwrap_or(field);
        self.field = self.field.map(place);
        for form in &mut self.forms {
            if let Test::Field(other, _) = form {
                *other = place(*other);
            }
        }
    }

    /// Reads a line such as `Image|endswith: ['\a.exe', '\b.exe']`.
    pub(crate) fn read(
        key: &Node,
        value: &Node,
        placeholders: &Placeholders,
        index: &mut FieldIndex<'_>,
    ) -> Result<Self, RuleError> {
        let text = key.as_str().unwrap_or_default();
        let mut words = text.split('|');
        let field = words.next().unwrap_or_default().trim();
        let modifiers = words.map(|word| Modifier::read(key, word)).collect::<Result<_, _>>()?;
        let is_keyword = field.is_empty();
        let reading = Reading { key, modifiers, is_keyword, placeholders };
        let values = match &value.kind {
            Kind::List(members) if members.is_empty() => {
                return Err(value.shape(format!("`{text}` has no values")));
            }
            Kind::List(members) => members.as_slice(),
            Kind::Scalar(_) => std::slice::from_ref(value),
            Kind::Map(_) => {
                let message =
                    format!("`{text}` needs a value or a list of values, and has a mapping");
                let error = value.shape(message);
                return Err(error.with_help("write nested fields with dots, as in `user.name`"));
            }
        };
        let field = (!is_keyword).then(|| index(field));
        reading.read(field, values, index)
    }

    /// A plain value in a list: a search in all fields.
    pub(crate) fn keyword(value: &Node, placeholders: &Placeholders) -> Result<Self, RuleError> {
        let reading = Reading { key: value, modifiers: Vec::new(), is_keyword: true, placeholders };
        reading.read(None, std::slice::from_ref(value), &mut |_| 0)
    }
}

/// A value on its way through the modifiers.
enum Draft {
    /// Untouched, so that modifiers that want the text as it stands find it.
    Raw,
    Text(Vec<Pattern>),
    Regex {
        source: String,
        flags: Flags,
    },
    Test(Test),
    Time(TimePart),
    Field(FieldComparison),
}

impl Reading<'_> {
    fn read(
        &self,
        field: Option<usize>,
        values: &[Node],
        index: &mut FieldIndex<'_>,
    ) -> Result<FieldTest, RuleError> {
        let mut tests = Vec::with_capacity(values.len());
        let mut forms = Vec::with_capacity(values.len());
        for node in values {
            let start = forms.len();
            let Some(scalar) = node.as_scalar() else {
                let key = self.key.as_str().unwrap_or_default();
                let message = format!("a value of `{key}` is {}", node.kind_name());
                return Err(node.shape(message));
            };
            if self.has(Modifier::Expand) {
                forms.extend(self.expanded(node, scalar, index)?);
            } else {
                forms.extend(self.value(node, scalar, index)?);
            }
            tests.push(ValueTest { forms: start..forms.len(), words: self.words(scalar).into() });
        }
        let all = self.has(Modifier::All);
        let place = (self.key.line, self.key.column);
        let is_simple = field.is_some()
            && !forms
                .iter()
                .any(|form| matches!(form, Test::Null | Test::Exists(_) | Test::Field(..)));
        let is_negated = self.has(Modifier::Neq);
        Ok(FieldTest { field, all, place, is_negated, values: tests, forms, first: 0, is_simple })
    }

    fn has(&self, modifier: Modifier) -> bool {
        self.modifiers.contains(&modifier)
    }

    /// A value with placeholders: any of the values they stand for.
    fn expanded(
        &self,
        node: &Node,
        scalar: &Scalar,
        index: &mut FieldIndex<'_>,
    ) -> Result<Vec<Test>, RuleError> {
        let texts =
            placeholder::expand(&scalar.text, self.placeholders).map_err(|error| error.at(node))?;
        let mut forms = Vec::with_capacity(texts.len());
        for text in texts {
            let scalar = Scalar { text, is_plain: false, ..scalar.clone() };
            forms.extend(self.value(node, &scalar, index)?);
        }
        Ok(forms)
    }

    fn value(
        &self,
        node: &Node,
        scalar: &Scalar,
        index: &mut FieldIndex<'_>,
    ) -> Result<Vec<Test>, RuleError> {
        let mut draft = Draft::Raw;
        for modifier in &self.modifiers {
            draft = self.step(draft, *modifier, node, scalar)?;
        }
        self.finish(draft, node, scalar, index)
    }

    /// Applies one modifier.
    fn step(
        &self,
        draft: Draft,
        modifier: Modifier,
        node: &Node,
        scalar: &Scalar,
    ) -> Result<Draft, RuleError> {
        let text = scalar.text.as_str();
        Ok(match (modifier, draft) {
            (Modifier::All | Modifier::Neq | Modifier::Cased | Modifier::Expand, draft) => draft,
            (Modifier::Regex, Draft::Raw) => {
                Draft::Regex { source: text.to_owned(), flags: Flags::default() }
            }
            (
                Modifier::IgnoreCase | Modifier::MultiLine | Modifier::DotAll,
                Draft::Regex { source, mut flags },
            ) => {
                flags.ignore_case |= modifier == Modifier::IgnoreCase;
                flags.multi_line |= modifier == Modifier::MultiLine;
                flags.dot_all |= modifier == Modifier::DotAll;
                Draft::Regex { source, flags }
            }
            (
                Modifier::Contains | Modifier::StartsWith | Modifier::EndsWith,
                Draft::Regex { source, flags },
            ) => Draft::Regex { source: anchored(source, modifier), flags },
            (
                Modifier::Contains | Modifier::StartsWith | Modifier::EndsWith,
                Draft::Field(comparison),
            ) => Draft::Field(opened(comparison, modifier)),
            (Modifier::Cidr, Draft::Raw) => Draft::Test(Test::Network(
                Network::parse(text).ok_or_else(|| self.bad_network(node, text))?,
            )),
            (Modifier::Exists, Draft::Raw) if !self.is_keyword => {
                Draft::Test(Test::Exists(self.truth(node, scalar)?))
            }
            (Modifier::FieldRef, Draft::Raw) if !self.is_keyword => {
                let mut comparison =
                    FieldComparison { is_cased: self.has(Modifier::Cased), ..Default::default() };
                if text.trim().is_empty() {
                    return Err(self.bad_value(node, "`fieldref` needs the name of a field"));
                }
                // `contains|fieldref` and `fieldref|contains` say the same.
                for modifier in &self.modifiers {
                    comparison = opened(comparison, *modifier);
                }
                Draft::Field(comparison)
            }
            (Modifier::Contains | Modifier::StartsWith | Modifier::EndsWith, Draft::Raw)
                if self.has(Modifier::FieldRef) =>
            {
                Draft::Raw
            }
            (Modifier::Time(part), Draft::Raw) => Draft::Time(part),
            // `hour|gt` and `gt|hour` say the same.
            (Modifier::Compare(_), Draft::Raw) if self.time_part().is_some() => Draft::Raw,
            (Modifier::Compare(comparison), Draft::Time(part)) => {
                Draft::Test(Test::TimePart(part, comparison, self.whole(node, text)?))
            }
            (Modifier::Compare(comparison), Draft::Raw) => {
                Draft::Test(Test::Compare(comparison, self.number(node, text)?))
            }
            (modifier, Draft::Raw) => self.transform(vec![Pattern::parse(text)], modifier, node)?,
            (modifier, Draft::Text(patterns)) => self.transform(patterns, modifier, node)?,
            (modifier, _) => return Err(self.misplaced(modifier)),
        })
    }

    fn time_part(&self) -> Option<TimePart> {
        self.modifiers.iter().find_map(|modifier| match modifier {
            Modifier::Time(part) => Some(*part),
            _ => None,
        })
    }

    /// The modifiers that change a string.
    fn transform(
        &self,
        mut patterns: Vec<Pattern>,
        modifier: Modifier,
        node: &Node,
    ) -> Result<Draft, RuleError> {
        let bad = |message: &str| self.bad_value(node, message);
        match modifier {
            Modifier::Contains => patterns.iter_mut().for_each(|pattern| {
                pattern.open_start();
                pattern.open_end();
            }),
            Modifier::StartsWith => patterns.iter_mut().for_each(Pattern::open_end),
            Modifier::EndsWith => patterns.iter_mut().for_each(Pattern::open_start),
            Modifier::Windash => patterns.iter_mut().for_each(Pattern::dash),
            Modifier::Utf16(encoding) => {
                patterns = spelled(patterns).map_err(bad)?;
                for pattern in &mut patterns {
                    pattern.encode_utf16(encoding).map_err(bad)?;
                }
            }
            Modifier::Base64 => {
                let spelled = spelled(patterns).map_err(bad)?;
                patterns =
                    spelled.iter().map(Pattern::base64).collect::<Result<_, _>>().map_err(bad)?;
            }
            Modifier::Base64Offset => {
                let spelled = spelled(patterns).map_err(bad)?;
                patterns = Vec::with_capacity(3 * spelled.len());
                for pattern in spelled {
                    patterns.extend(pattern.base64_offsets().map_err(bad)?);
                }
            }
            _ => return Err(self.misplaced(modifier)),
        }
        Ok(Draft::Text(patterns))
    }

    /// Turns what the modifiers left into tests.
    fn finish(
        &self,
        draft: Draft,
        node: &Node,
        scalar: &Scalar,
        index: &mut FieldIndex<'_>,
    ) -> Result<Vec<Test>, RuleError> {
        Ok(match draft {
            Draft::Raw => self.plain_value(node, scalar)?,
            Draft::Text(patterns) => self.text_tests(patterns, node)?,
            Draft::Regex { source, flags } => vec![self.regex(node, &source, flags)?],
            Draft::Test(test) => vec![test],
            Draft::Time(part) => match self.comparison() {
                Some(comparison) => {
                    vec![Test::TimePart(part, comparison, self.whole(node, &scalar.text)?)]
                }
                None => {
                    vec![Test::TimePart(part, Comparison::Equal, self.whole(node, &scalar.text)?)]
                }
            },
            Draft::Field(comparison) => vec![Test::Field(index(scalar.text.trim()), comparison)],
        })
    }

    fn comparison(&self) -> Option<Comparison> {
        self.modifiers.iter().find_map(|modifier| match modifier {
            Modifier::Compare(comparison) => Some(*comparison),
            _ => None,
        })
    }

    /// A value that no modifier changes.
    fn plain_value(&self, node: &Node, scalar: &Scalar) -> Result<Vec<Test>, RuleError> {
        let text = scalar.text.as_str();
        let mut tests = Vec::with_capacity(1);
        match scalar.scalar_type() {
            ScalarType::Null if self.is_keyword => {
                return Err(self.bad_value(node, "a search in all fields needs a text"));
            }
            ScalarType::Null => tests.push(Test::Null),
            ScalarType::Bool(value) if !self.is_keyword => tests.push(Test::Bool(value)),
            ScalarType::Number => {
                let number = Number::parse(text).unwrap_or(Number::Float(f64::NAN));
                tests.push(Test::Number(NumberTest { number, spelled: text.to_ascii_lowercase() }));
                if self.is_keyword {
                    tests.extend(self.text_tests(vec![Pattern::parse(text)], node)?);
                }
            }
            ScalarType::Text | ScalarType::Bool(_) => {
                tests = self.text_tests(vec![Pattern::parse(text)], node)?;
            }
        }
        Ok(tests)
    }

    fn text_tests(&self, mut patterns: Vec<Pattern>, node: &Node) -> Result<Vec<Test>, RuleError> {
        if self.is_keyword && !self.has(Modifier::StartsWith) && !self.has(Modifier::EndsWith) {
            patterns.iter_mut().for_each(Pattern::open_start);
            patterns.iter_mut().for_each(Pattern::open_end);
        }
        patterns
            .iter()
            .map(|pattern| match pattern.compile(self.has(Modifier::Cased)) {
                Ok(test) => Ok(Test::Text(test)),
                Err(message) => Err(self.bad_value(node, message)),
            })
            .collect()
    }

    fn regex(&self, node: &Node, source: &str, flags: Flags) -> Result<Test, RuleError> {
        let built = Expression::new(source, flags);
        built.map(|regex| Test::Regex(Arc::new(regex))).map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("`{source}` is no regular expression that can be run: {reason}");
            let error = node.error(RuleErrorKind::Value(message));
            error.with_help("write it without look-around and back-references")
        })
    }

    fn truth(&self, node: &Node, scalar: &Scalar) -> Result<bool, RuleError> {
        match scalar.text.to_ascii_lowercase().as_str() {
            "true" | "yes" => Ok(true),
            "false" | "no" => Ok(false),
            _ => Err(self.bad_value(node, "`exists` needs `true` or `false`")),
        }
    }

    fn number(&self, node: &Node, text: &str) -> Result<Number, RuleError> {
        let bad = || self.bad_value(node, &format!("`{text}` is no number"));
        Number::parse(text.trim()).ok_or_else(bad)
    }

    fn whole(&self, node: &Node, text: &str) -> Result<i64, RuleError> {
        match self.number(node, text)? {
            Number::Int(number) => Ok(number),
            Number::Float(_) => Err(self.bad_value(node, &format!("`{text}` is no whole number"))),
        }
    }

    fn bad_value(&self, node: &Node, message: &str) -> RuleError {
        node.error(RuleErrorKind::Value(message.to_owned()))
    }

    fn bad_network(&self, node: &Node, text: &str) -> RuleError {
        let message = format!("`{text}` is no network address");
        node.error(RuleErrorKind::Value(message)).with_help("write it as `10.0.0.0/8`")
    }

    fn misplaced(&self, modifier: Modifier) -> RuleError {
        let name = modifier.name();
        let key = self.key.as_str().unwrap_or_default();
        let message = format!("the modifier `{name}` makes no sense in `{key}`");
        let error = self.key.error(RuleErrorKind::Modifier(message));
        match modifier {
            Modifier::IgnoreCase | Modifier::MultiLine | Modifier::DotAll => {
                error.with_help("put it behind `re`, as in `field|re|i`")
            }
            Modifier::Regex | Modifier::Cidr | Modifier::Exists => {
                error.with_help(format!("make `{name}` the first modifier"))
            }
            _ => error,
        }
    }

    /// The test in a reader's words.
    fn words(&self, scalar: &Scalar) -> String {
        let names = self.modifiers.iter().filter_map(|modifier| {
            let shown = !matches!(modifier, Modifier::All | Modifier::Expand);
            shown.then(|| modifier.name())
        });
        let mut words = names.collect::<Vec<_>>().join(" ");
        if words.is_empty() {
            words.push_str(if self.is_keyword { "contains" } else { "equals" });
        }
        words.push(' ');
        match scalar.scalar_type() {
            ScalarType::Text => {
                words.push('\'');
                words.push_str(&scalar.text);
                words.push('\'');
            }
            ScalarType::Null => words.push_str("null"),
            ScalarType::Bool(_) | ScalarType::Number => words.push_str(&scalar.text),
        }
        words
    }
}

fn spelled(patterns: Vec<Pattern>) -> Result<Vec<Pattern>, &'static str> {
    let mut all = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        all.extend(pattern.spell_dashes()?);
    }
    Ok(all)
}

fn anchored(source: String, modifier: Modifier) -> String {
    match modifier {
        Modifier::StartsWith => format!("\\A(?:{source})"),
        Modifier::EndsWith => format!("(?:{source})\\z"),
        _ => source,
    }
}

const fn opened(mut comparison: FieldComparison, modifier: Modifier) -> FieldComparison {
    match modifier {
        Modifier::StartsWith => comparison.open_end = true,
        Modifier::EndsWith => comparison.open_start = true,
        Modifier::Contains => {
            comparison.open_start = true;
            comparison.open_end = true;
        }
        _ => {}
    }
    comparison
}
