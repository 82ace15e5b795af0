//! The functions that expressions may call: their names, forms and numbers of arguments.

use crate::{time::TimePart, value::CelType};

/// A function of the standard library or one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Replace,
    /// A conversion, named after its result.
    To(CelType),
    TypeOf,
    /// The value itself: in a language with static types, its type forgotten.
    Dyn,
    Part(TimePart),
    InCidr,
}

/// How a function may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `f(x)`.
    Global,
    /// `x.f()`.
    Member,
    /// Either.
    Both,
}

struct Signature {
    name: &'static str,
    function: Function,
    form: Form,
    /// The fewest and the most arguments, the target of a member call counted.
    arguments: (usize, usize),
    usage: &'static str,
}

impl Function {
    /// Its name in messages.
    pub(crate) fn name(self) -> &'static str {
        SIGNATURES.iter().find(|known| known.function == self).map_or("?", |known| known.name)
    }
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
    let Some(found) = SIGNATURES.iter().find(|known| known.name == name) else {
        return Found::Unknown(hint(name));
    };
    let form_fits = match found.form {
        Form::Global => !is_member,
        Form::Member => is_member,
        Form::Both => true,
    };
    let (fewest, most) = found.arguments;
    if form_fits && (fewest..=most).contains(&arguments) {
        Found::Function(found.function)
    } else {
        Found::WrongCall(found.usage)
    }
}

/// The names of all functions and macros.
#[cfg(test)]
pub(crate) fn names() -> Vec<&'static str> {
    let functions = SIGNATURES.iter().map(|known| known.name);
    functions.chain(MACROS.iter().map(|(name, _)| *name)).collect()
}

/// Whether functions stand under this name: `net` of `net.inCidr`.
pub(crate) fn is_namespace(name: &str) -> bool {
    SIGNATURES
        .iter()
        .any(|known| known.name.split_once('.').is_some_and(|(first, _)| first == name))
}

fn hint(name: &str) -> Option<String> {
    let known = SIGNATURES.iter().map(|known| (known.name, known.usage));
    let macros = MACROS.iter().copied();
    // The one spelling that differs in few letters; the names are short, so two edits at most.
    let wanted = name.to_lowercase();
    let near =
        known.chain(macros).map(|(name, usage)| (distance(&wanted, &name.to_lowercase()), usage));
    let (edits, usage) = near.min_by_key(|(edits, _)| *edits)?;
    let allowed = if name.len() < 5 { 1 } else { 2 };
    (edits <= allowed).then(|| format!("did you mean `{usage}`?"))
}

/// The macros, which the compiler knows by name, with their usage.
pub(crate) const MACROS: [(&str, &str); 9] = [
    ("has", "has(field)"),
    ("all", "list.all(x, test)"),
    ("exists", "list.exists(x, test)"),
    ("exists_one", "list.exists_one(x, test)"),
    ("existsOne", "list.existsOne(x, test)"),
    ("map", "list.map(x, value)"),
    ("filter", "list.filter(x, test)"),
    ("transformList", "list.transformList(index, x, value)"),
    ("transformMap", "map.transformMap(key, x, value)"),
];

/// The Levenshtein distance: how many letters must be changed, added or removed.
fn distance(a: &str, b: &str) -> usize {
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

const fn member(
    name: &'static str,
    function: Function,
    arguments: (usize, usize),
    usage: &'static str,
) -> Signature {
    Signature { name, function, form: Form::Member, arguments, usage }
}

const fn conversion(name: &'static str, to: CelType, usage: &'static str) -> Signature {
    let function = Function::To(to);
    Signature { name, function, form: Form::Global, arguments: (1, 1), usage }
}

const fn part(name: &'static str, part: TimePart, usage: &'static str) -> Signature {
    Signature { name, function: Function::Part(part), form: Form::Member, arguments: (1, 2), usage }
}

const SIGNATURES: [Signature; 31] = [
    Signature {
        name: "size",
        function: Function::Size,
        form: Form::Both,
        arguments: (1, 1),
        usage: "size(value)",
    },
    member("contains", Function::Contains, (2, 2), "text.contains(part)"),
    member("startsWith", Function::StartsWith, (2, 2), "text.startsWith(prefix)"),
    member("endsWith", Function::EndsWith, (2, 2), "text.endsWith(suffix)"),
    Signature {
        name: "matches",
        function: Function::Matches,
        form: Form::Both,
        arguments: (2, 2),
        usage: "text.matches(regex)",
    },
    member("lowerAscii", Function::LowerAscii, (1, 1), "text.lowerAscii()"),
    member("upperAscii", Function::UpperAscii, (1, 1), "text.upperAscii()"),
    member("trim", Function::Trim, (1, 1), "text.trim()"),
    member("split", Function::Split, (2, 3), "text.split(separator)"),
    member("replace", Function::Replace, (3, 4), "text.replace(old, new)"),
    conversion("bool", CelType::Bool, "bool(value)"),
    conversion("int", CelType::Int, "int(value)"),
    conversion("uint", CelType::Uint, "uint(value)"),
    conversion("double", CelType::Double, "double(value)"),
    conversion("string", CelType::Text, "string(value)"),
    conversion("bytes", CelType::Bytes, "bytes(value)"),
    conversion("timestamp", CelType::Timestamp, "timestamp(text)"),
    conversion("duration", CelType::Duration, "duration(text)"),
    Signature {
        name: "type",
        function: Function::TypeOf,
        form: Form::Global,
        arguments: (1, 1),
        usage: "type(value)",
    },
    Signature {
        name: "dyn",
        function: Function::Dyn,
        form: Form::Global,
        arguments: (1, 1),
        usage: "dyn(value)",
    },
    part("getFullYear", TimePart::FullYear, "time.getFullYear()"),
    part("getMonth", TimePart::Month, "time.getMonth()"),
    part("getDate", TimePart::Date, "time.getDate()"),
    part("getDayOfMonth", TimePart::DayOfMonth, "time.getDayOfMonth()"),
    part("getDayOfWeek", TimePart::DayOfWeek, "time.getDayOfWeek()"),
    part("getDayOfYear", TimePart::DayOfYear, "time.getDayOfYear()"),
    part("getHours", TimePart::Hours, "time.getHours()"),
    part("getMinutes", TimePart::Minutes, "time.getMinutes()"),
    part("getSeconds", TimePart::Seconds, "time.getSeconds()"),
    part("getMilliseconds", TimePart::Milliseconds, "time.getMilliseconds()"),
    Signature {
        name: "net.inCidr",
        function: Function::InCidr,
        form: Form::Global,
        arguments: (2, 2),
        usage: "net.inCidr(ip, \"10.0.0.0/8\")",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names = names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SIGNATURES.len() + MACROS.len());
    }

    #[test]
    fn finds_by_name_form_and_arity() {
        assert_eq!(find("size", true, 1), Found::Function(Function::Size));
        assert_eq!(find("size", false, 1), Found::Function(Function::Size));
        assert_eq!(find("trim", false, 1), Found::WrongCall("text.trim()"));
        assert_eq!(find("contains", true, 1), Found::WrongCall("text.contains(part)"));
        assert_eq!(
            find("startswith", true, 2),
            Found::Unknown(Some("did you mean `text.startsWith(prefix)`?".to_owned()))
        );
        assert_eq!(find("frobnicate", true, 2), Found::Unknown(None));
    }

    #[test]
    fn counts_edits() {
        for (a, b, edits) in [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
