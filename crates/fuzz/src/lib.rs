//! What reads bytes of strangers, each as a function that must neither panic nor dawdle, and the driver that
//! feeds it.
//!
//! A [`Target`] is run by two: by libFuzzer (`fuzz/`, with a nightly compiler), which looks at what code an
//! input reaches, and by this crate's program (`cargo xtask fuzz`, with the stable compiler), which does not,
//! but starts from real logs and rules, is the same on every machine, and is quick enough for a build server.
//! An input is made of the seed and its number alone, so whoever has both has the input.
//!
//! What it does not do: notice undefined behavior. Ours has no `unsafe`; libFuzzer's build can look at what
//! others have.

mod catch;
mod drive;
mod mutate;
mod seeds;
mod shrink;
mod targets;

pub use catch::{Caught, run_caught};
pub use drive::{Findings, Plan, Said, drive};
pub use mutate::Mutator;
pub use seeds::{Places, seeds};
pub use shrink::shrink;
pub use targets::*;

/// Something that takes bytes of a stranger.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: of the function, of libFuzzer's binary, of the folders of seeds and regressions.
    pub name: &'static str,
    /// Takes one input. Panics where something is wrong.
    pub run: fn(&[u8]),
    /// Words that mean something to it.
    pub tokens: &'static [&'static str],
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every target, in the order of their names.
pub const TARGETS: &[Target] = &[
    Target { name: "announce", run: targets::announce, tokens: tokens::JSON },
    Target { name: "binary", run: targets::binary, tokens: tokens::BINARY },
    Target { name: "cel", run: targets::cel, tokens: tokens::CEL },
    Target { name: "decode", run: targets::decode, tokens: tokens::TEXT },
    Target { name: "frame", run: targets::frame, tokens: tokens::JSON },
    #[cfg(feature = "lake")]
    Target { name: "index", run: targets::index, tokens: &[] },
    Target { name: "json", run: targets::json, tokens: tokens::JSON },
    Target { name: "log_source", run: targets::log_source, tokens: tokens::YAML },
    Target { name: "lookup", run: targets::lookup, tokens: tokens::JSON },
    Target { name: "push", run: targets::push, tokens: tokens::JSON },
    Target { name: "rule", run: targets::rule, tokens: tokens::YAML },
    #[cfg(feature = "lake")]
    Target { name: "search", run: targets::search, tokens: tokens::SEARCH },
    Target { name: "syslog", run: targets::syslog, tokens: tokens::TEXT },
    Target { name: "text", run: targets::text, tokens: tokens::TEXT },
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}

/// Words that the formats give a meaning.
mod tokens {
    pub(crate) const JSON: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u0000",
        "\\ud800",
        "\\udc00",
        "\\n",
        "null",
        "true",
        "false",
        "1e400",
        "-0",
        "0.1",
        "1E-7",
        "9223372036854775808",
        "{}",
        "[]",
        "\"\"",
        "\n",
        "[[[[[[[[",
        "{\"a\":",
        "records",
        "Records",
        "event",
        "time",
        "index",
        "create",
    ];
    pub(crate) const TEXT: &[&str] = &[
        "<13>",
        "<191>1 ",
        "<999>",
        " - - - ",
        "[a b=\"c\"]",
        "\\]",
        "CEF:0|",
        "LEEF:2.0|",
        "|",
        "=",
        "\t",
        " ",
        "\n",
        "\r\n",
        ",",
        "\"",
        "\"\"",
        "\\",
        "'",
        "#Fields: ",
        "#separator \\x09",
        "#close",
        "type=SYSCALL msg=audit(1.2:3): ",
        "\u{1d}",
        "<a b=\"c\">",
        "</a>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "&amp;",
        "&#x41;",
        "&lol;",
        "<?xml",
        "2026-11-24T08:00:00Z",
        "Nov 24 08:00:00",
        "24/Nov/2026:08:00:00 +0000",
        "1795507200",
        "1795507200.123",
        "::1",
        "10.0.0.1",
        "{",
        "}",
        "[",
        "]",
        ":",
        "null",
        "1e400",
        "-",
    ];
    pub(crate) const YAML: &[&str] = &[
        "\n",
        "\n  ",
        "\n- ",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "&a ",
        "*a",
        "<<: ",
        "---\n",
        "# ",
        "null",
        "~",
        "!!binary ",
        "|contains",
        "|re",
        "|cidr",
        "|all",
        "|base64offset",
        "|windash",
        "|fieldref",
        "|expand",
        "1 of ",
        "all of them",
        " and ",
        " or ",
        "not ",
        "(",
        ")",
        "*",
        "?",
        "\\",
        "condition",
        "selection",
        "detection",
        "correlation",
        "timespan",
        "capture: '(a+)+$'",
        "format",
        "grok",
    ];
    pub(crate) const CEL: &[&str] = &[
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        "?",
        ":",
        " && ",
        " || ",
        "!",
        "==",
        "!=",
        "<=",
        " in ",
        "+",
        "-",
        "*",
        "/",
        "%",
        "'",
        "\"",
        "r'",
        "b'",
        "'''",
        "\\x41",
        "\\u0041",
        "1u",
        "1.5",
        "0xff",
        "9223372036854775807",
        "null",
        "true",
        "size(",
        "has(",
        ".exists(x, ",
        ".all(x, ",
        ".map(x, ",
        ".filter(x, ",
        ".matches('(a+)+$')",
        ".contains(",
        ".startsWith(",
        "duration('1h')",
        "timestamp('2026-11-24T08:00:00Z')",
        "int(",
        "a.b",
        "n",
        "l",
        "type(",
        "dyn(",
        "//",
        "x.x.x",
    ];
    #[cfg(feature = "lake")]
    pub(crate) const SEARCH: &[&str] = &[
        "|",
        " | stats count() by ",
        " | sort -",
        " | head ",
        " | where ",
        " | eval ",
        "(",
        ")",
        "[",
        "]",
        "\"",
        "'",
        "`",
        "*",
        "?",
        "\\",
        ":",
        "=",
        "!=",
        ">=",
        " AND ",
        " OR ",
        "NOT ",
        " in (",
        "/",
        "/(a+)+$/",
        ",",
        "$a",
        "-1h",
        "@d",
        "1e400",
        "\n",
        "::",
        "..",
        "timechart span=",
        "join",
        "lookup",
    ];
    pub(crate) const BINARY: &[&str] = &[
        "PAR1",
        "ElfChnk\0",
        "**\0\0",
        "\u{f}\u{1}\u{1}\0",
        "\u{c}\u{1}",
        "\0\0\0\0",
        "\u{1}\0\0\0",
        "\u{15}\0",
    ];
}
