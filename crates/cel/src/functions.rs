//! The functions that expressions may call: their names, forms, numbers and types of arguments.

mod declarations;

use std::{collections::HashMap, sync::LazyLock};

use cel_parser::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};

use crate::{time::TimePart, value::CelType};

pub(crate) use declarations::{DECLARATIONS, Declaration};

/// A function of the standard library, of its extensions, or one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    /// Another function of text.
    Text(TextFunction),
    /// Text from a list of texts.
    Join,
    /// Text or a list, back to front.
    Reverse,
    Quote,
    Base64Encode,
    Base64Decode,
    /// A conversion, named after its result.
    To(CelType),
    TypeOf,
    /// The value itself: in a language with static types, its type forgotten.
    Dyn,
    Part(TimePart),
    /// A part of the time, under our own name: with January 1, and Monday 1.
    Clock(TimePart),
    InCidr,
    Math(MathFunction),
    Net(NetFunction),
    Optional(OptionalFunction),
    List(ListFunction),
    Regex(RegexFunction),
    Lookup(LookupFunction),
}

/// Functions whose first argument is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextFunction {
    CharAt,
    IndexOf,
    LastIndexOf,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Replace,
    Substring,
    Format,
}

/// Functions of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MathFunction {
    Greatest,
    Least,
    Ceil,
    Floor,
    Round,
    Trunc,
    Abs,
    Sign,
    Sqrt,
    IsNaN,
    IsInf,
    IsFinite,
    BitAnd,
    BitOr,
    BitXor,
    BitNot,
    BitShiftLeft,
    BitShiftRight,
}

/// Functions of addresses and networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetFunction {
    IsIp,
    IsCidr,
    IsCanonical,
    Family,
    IsUnspecified,
    IsLoopback,
    IsGlobalUnicast,
    IsLinkLocalMulticast,
    IsLinkLocalUnicast,
    ContainsIp,
    ContainsCidr,
    AddressOf,
    Masked,
    PrefixLength,
}

/// Functions of values that may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OptionalFunction {
    Of,
    OfNonZero,
    None,
    HasValue,
    Value,
    Or,
    OrValue,
    Unwrap,
    First,
    Last,
}

/// Functions of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListFunction {
    Range,
    Slice,
    Flatten,
    Sort,
    Distinct,
    SetContains,
    SetEquivalent,
    SetIntersects,
}

/// Functions of regular expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegexFunction {
    Extract,
    ExtractAll,
    Replace,
}

/// Functions that ask lookup tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookupFunction {
    /// The row of a table, as a map.
    Row,
    /// Whether a table has a row.
    Contains,
    /// One column of the table that the function stands for.
    Column {
        /// The function's name, under which the table is configured.
        name: &'static str,
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

impl Function {
    /// Its name in messages.
    pub(crate) fn name(self) -> &'static str {
        DECLARATIONS.iter().find(|known| known.function == self).map_or("?", |known| known.name)
    }
}

/// How a call is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `f(x)`.
    Global,
    /// `x.f()`.
    Member,
}

/// What a look-up finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Function(Function),
    /// There is such a function, to be called as said here.
    WrongCall(&'static str),
    /// There is none, and this is a sentence about what was probably meant.
    Unknown(Option<String>),
}

/// Looks up a call by the function's name (`net.inCidr`, with its namespace), its form, and the
/// number of its arguments, the target of a member call counted.
pub(crate) fn find(name: &str, is_member: bool, arguments: usize) -> Found {
    let form = if is_member { Form::Member } else { Form::Global };
    let mut usage = None;
    for declaration in declared(name) {
        if declaration.forms().any(|(known, count)| {
            known == form && (count == arguments || declaration.is_variadic() && arguments >= count)
        }) {
            return Found::Function(declaration.function);
        }
        usage = usage.or(Some(declaration.usage));
    }
    usage.map_or_else(|| Found::Unknown(hint(name)), Found::WrongCall)
}

/// The declarations of a name: a function's overloads may differ in what they compute.
pub(crate) fn declared(name: &str) -> &'static [&'static Declaration] {
    static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Declaration>>> =
        LazyLock::new(|| {
            let mut by_name: HashMap<&'static str, Vec<&'static Declaration>> = HashMap::new();
            for declaration in DECLARATIONS {
                by_name.entry(declaration.name).or_default().push(declaration);
            }
            by_name
        });
    BY_NAME.get(name).map(Vec::as_slice).unwrap_or_default()
}

impl Declaration {
    /// Whether the last argument may be repeated.
    pub(crate) fn is_variadic(&self) -> bool {
        self.overloads.iter().any(|overload| overload.contains("..."))
    }

    /// The forms and numbers of arguments of its overloads.
    fn forms(&self) -> impl Iterator<Item = (Form, usize)> {
        self.overloads.iter().map(|overload| {
            let form = if overload.starts_with('.') { Form::Member } else { Form::Global };
            (form, count_arguments(overload))
        })
    }
}

/// How many arguments `(string, list(int)) -> int` has.
fn count_arguments(overload: &str) -> usize {
    let mut depth = 0;
    let mut commas = 0;
    let mut is_empty = true;
    for c in overload.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => break,
            ')' => depth -= 1,
            ',' if depth == 1 => commas += 1,
            c if depth > 0 && !c.is_whitespace() => is_empty = false,
            _ => {}
        }
    }
    if is_empty { 0 } else { commas + 1 }
}

/// The names of all functions and macros.
#[cfg(test)]
pub(crate) fn names() -> Vec<&'static str> {
    let functions = DECLARATIONS.iter().map(|known| known.name);
    functions.chain(MACROS.iter().map(|(name, _)| *name)).collect()
}

/// Whether functions stand under this name: `net` of `net.inCidr`.
pub(crate) fn is_namespace(name: &str) -> bool {
    let known = DECLARATIONS.iter().map(|known| known.name);
    let mut names = known.chain(MACROS.iter().map(|(name, _)| *name));
    names.any(|known| known.split_once('.').is_some_and(|(first, _)| first == name))
}

/// The full name of a function or macro in a namespace, if this is a call of one: `ip.f()` may as
/// well be a call on the field `ip`.
pub(crate) fn namespaced(
    target: &IdedExpr,
    call: &CallExpr,
    is_bound: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let Expr::Ident(namespace) = &target.expr else { return None };
    if is_bound(namespace) || !is_namespace(namespace) {
        return None;
    }
    let name = format!("{namespace}.{}", call.func_name);
    let is_macro = |wanted: &str| MACROS.iter().any(|(known, _)| *known == wanted);
    let is_function = match find(&name, false, call.args.len()) {
        Found::Function(_) => true,
        // The name is right, and the member call is no better.
        Found::WrongCall(_) => {
            !matches!(find(&call.func_name, true, call.args.len() + 1), Found::Function(_))
        }
        Found::Unknown(_) => declared(&call.func_name).is_empty() && !is_macro(&call.func_name),
    };
    (is_macro(&name) || is_function).then_some(name)
}

/// The name under which `cel.index(n)` and its like are known.
pub(crate) fn internal_name(name: &str, args: &[IdedExpr]) -> Option<String> {
    let mut internal = name.replace("cel.", "@");
    for arg in args {
        let Expr::Literal(LiteralValue::Int(number)) = &arg.expr else { return None };
        if internal.ends_with(|c: char| c.is_ascii_digit()) {
            internal.push('.');
        }
        internal.push_str(&number.inner().to_string());
    }
    Some(internal)
}

fn hint(name: &str) -> Option<String> {
    let known = DECLARATIONS.iter().map(|known| (known.name, known.usage));
    let macros = MACROS.iter().copied();
    // The one spelling that differs in few letters; the names are short, so two edits at most.
    let wanted = name.to_lowercase();
    let allowed = if name.len() < 5 { 1 } else { 2 };
    let near = known
        .chain(macros)
        .filter_map(|(name, usage)| Some((near(&wanted, &name.to_lowercase(), allowed)?, usage)));
    let (_, usage) = near.min_by_key(|(edits, _)| *edits)?;
    Some(format!("did you mean `{usage}`?"))
}

/// Whether it is a function's name, and no operator's.
pub(crate) fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}

/// The name that differs from `wanted` in few letters.
pub(crate) fn nearest<'n>(wanted: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let folded = wanted.to_lowercase();
    let allowed = match wanted.chars().count() {
        0..=2 => return None,
        3..=4 => 1,
        5..=11 => 2,
        _ => 3,
    };
    known
        .filter_map(|name| Some((near(&folded, &name.to_lowercase(), allowed)?, name)))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// The distance, if it is not more than `allowed`: nothing is computed where the lengths alone say so.
fn near(a: &str, b: &str, allowed: usize) -> Option<usize> {
    if a.chars().count().abs_diff(b.chars().count()) > allowed {
        return None;
    }
    Some(distance(a, b)).filter(|edits| *edits <= allowed)
}

/// The macros, which the compiler knows by name, with their usage.
pub(crate) const MACROS: [(&str, &str); 17] = [
    ("has", "has(field)"),
    ("all", "list.all(x, test)"),
    ("exists", "list.exists(x, test)"),
    ("exists_one", "list.exists_one(x, test)"),
    ("existsOne", "list.existsOne(x, test)"),
    ("map", "list.map(x, value)"),
    ("filter", "list.filter(x, test)"),
    ("sortBy", "list.sortBy(x, key)"),
    ("transformList", "list.transformList(index, x, value)"),
    ("transformMap", "map.transformMap(key, x, value)"),
    ("transformMapEntry", "map.transformMapEntry(key, x, {newKey: value})"),
    ("optMap", "optional.optMap(x, value)"),
    ("optFlatMap", "optional.optFlatMap(x, optional)"),
    ("cel.bind", "cel.bind(x, value, expression)"),
    ("cel.block", "cel.block([values], expression)"),
    ("cel.index", "cel.index(0)"),
    ("cel.iterVar", "cel.iterVar(0, 0)"),
];

/// The Levenshtein distance: how many letters must be changed, added or removed.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, from) in a.chars().enumerate() {
        let mut above_left = line;
        let mut left = line + 1;
        let mut next = vec![left];
        for (above, to) in row.iter().skip(1).zip(&b) {
            left = (above_left + usize::from(from != *to)).min(left + 1).min(above + 1);
            above_left = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_function_is_named_like_a_macro() {
        for (name, _) in MACROS {
            assert!(declared(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn finds_by_name_form_and_arity() {
        let trim = Function::Text(TextFunction::Trim);
        assert_eq!(find("size", true, 1), Found::Function(Function::Size));
        assert_eq!(find("size", false, 1), Found::Function(Function::Size));
        assert_eq!(find("trim", true, 1), Found::Function(trim));
        assert_eq!(find("trim", false, 1), Found::WrongCall("text.trim()"));
        assert_eq!(find("contains", true, 1), Found::WrongCall("text.contains(part)"));
        assert_eq!(
            find("math.greatest", false, 5),
            Found::Function(Function::Math(MathFunction::Greatest))
        );
        assert_eq!(find("math.greatest", false, 0), Found::WrongCall("math.greatest(a, b, …)"));
        assert_eq!(find("ip", true, 1), Found::Function(Function::Net(NetFunction::AddressOf)));
        assert_eq!(find("ip", false, 1), Found::Function(Function::To(CelType::Ip)));
        assert_eq!(
            find("startswith", true, 2),
            Found::Unknown(Some("did you mean `text.startsWith(prefix)`?".to_owned()))
        );
        assert_eq!(find("frobnicate", true, 2), Found::Unknown(None));
    }

    #[test]
    fn counts_arguments() {
        for (overload, count) in [
            ("() -> A", 0),
            ("(int) -> int", 1),
            (".(map(A, B), list(map(A, B))) -> A", 2),
            ("(number...) -> A", 1),
        ] {
            assert_eq!(count_arguments(overload), count, "{overload}");
        }
    }

    #[test]
    fn counts_edits() {
        for (a, b, edits) in [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
