//! The table of functions.
//!
//! An overload is written as the language definition writes it; `.(…)` is a member call, whose
//! first argument is the target. One-letter types in capitals are type parameters.

use super::{
    Function, ListFunction as List, LookupFunction, MathFunction as Math, NetFunction as Net,
    OptionalFunction as Opt, RegexFunction as Regex, TextFunction as Text,
};
use crate::{time::TimePart, value::CelType};

/// One function with its overloads.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    /// How it is called, for messages.
    pub(crate) usage: &'static str,
    pub(crate) overloads: &'static [&'static str],
}

const fn f(
    name: &'static str,
    function: Function,
    usage: &'static str,
    overloads: &'static [&'static str],
) -> Declaration {
    Declaration { name, function, usage, overloads }
}

const fn text(
    name: &'static str,
    function: Text,
    usage: &'static str,
    overloads: &'static [&'static str],
) -> Declaration {
    f(name, Function::Text(function), usage, overloads)
}

const fn math(
    name: &'static str,
    function: Math,
    usage: &'static str,
    overloads: &'static [&'static str],
) -> Declaration {
    f(name, Function::Math(function), usage, overloads)
}

const fn net(
    name: &'static str,
    function: Net,
    usage: &'static str,
    overloads: &'static [&'static str],
) -> Declaration {
    f(name, Function::Net(function), usage, overloads)
}

const fn opt(
    name: &'static str,
    function: Opt,
    usage: &'static str,
    overloads: &'static [&'static str],
) -> Declaration {
    f(name, Function::Optional(function), usage, overloads)
}

const fn part(name: &'static str, part: TimePart, usage: &'static str) -> Declaration {
    f(name, Function::Part(part), usage, &[".(timestamp) -> int", ".(timestamp, string) -> int"])
}

/// As [`part`], for parts that a span of time has too.
const fn span(name: &'static str, part: TimePart, usage: &'static str) -> Declaration {
    f(
        name,
        Function::Part(part),
        usage,
        &[".(timestamp) -> int", ".(timestamp, string) -> int", ".(duration) -> int"],
    )
}

const fn clock(name: &'static str, part: TimePart, usage: &'static str) -> Declaration {
    f(
        name,
        Function::Clock(part),
        usage,
        &[
            "(timestamp) -> int",
            "(string) -> int",
            "(timestamp, string) -> int",
            "(string, string) -> int",
        ],
    )
}

const fn column(
    name: &'static str,
    table: &'static str,
    column: &'static str,
    usage: &'static str,
    overloads: &'static [&'static str],
) -> Declaration {
    f(name, Function::Lookup(LookupFunction::Column { name, table, column }), usage, overloads)
}

const ROUNDING: &[&str] = &["(double) -> double"];
const SIGNS: &[&str] = &["(int) -> int", "(uint) -> uint", "(double) -> double"];
const ABOUT_DOUBLE: &[&str] = &["(double) -> bool"];
const BITS: &[&str] = &["(int, int) -> int", "(uint, uint) -> uint"];
const SHIFTS: &[&str] = &["(int, int) -> int", "(uint, int) -> uint"];
const ABOUT_IP: &[&str] = &[".(ip) -> bool"];
const TEXT_TEST: &[&str] = &[".(string, string) -> bool"];
const SETS: &[&str] = &["(list(A), list(A)) -> bool"];

pub(crate) static DECLARATIONS: &[Declaration] = &[
    f(
        "size",
        Function::Size,
        "size(value)",
        &[
            "(string) -> int",
            "(bytes) -> int",
            "(list(A)) -> int",
            "(map(A, B)) -> int",
            ".(string) -> int",
            ".(bytes) -> int",
            ".(list(A)) -> int",
            ".(map(A, B)) -> int",
        ],
    ),
    f("contains", Function::Contains, "text.contains(part)", TEXT_TEST),
    f("startsWith", Function::StartsWith, "text.startsWith(prefix)", TEXT_TEST),
    f("endsWith", Function::EndsWith, "text.endsWith(suffix)", TEXT_TEST),
    f(
        "matches",
        Function::Matches,
        "text.matches(regex)",
        &[".(string, string) -> bool", "(string, string) -> bool"],
    ),
    text("lowerAscii", Text::LowerAscii, "text.lowerAscii()", &[".(string) -> string"]),
    text("upperAscii", Text::UpperAscii, "text.upperAscii()", &[".(string) -> string"]),
    text("trim", Text::Trim, "text.trim()", &[".(string) -> string"]),
    text(
        "split",
        Text::Split,
        "text.split(separator)",
        &[".(string, string) -> list(string)", ".(string, string, int) -> list(string)"],
    ),
    text(
        "replace",
        Text::Replace,
        "text.replace(old, new)",
        &[".(string, string, string) -> string", ".(string, string, string, int) -> string"],
    ),
    text("charAt", Text::CharAt, "text.charAt(index)", &[".(string, int) -> string"]),
    text(
        "indexOf",
        Text::IndexOf,
        "text.indexOf(part)",
        &[".(string, string) -> int", ".(string, string, int) -> int"],
    ),
    text(
        "lastIndexOf",
        Text::LastIndexOf,
        "text.lastIndexOf(part)",
        &[".(string, string) -> int", ".(string, string, int) -> int"],
    ),
    text(
        "substring",
        Text::Substring,
        "text.substring(start, end)",
        &[".(string, int) -> string", ".(string, int, int) -> string"],
    ),
    text("format", Text::Format, "text.format([values])", &[".(string, list(dyn)) -> string"]),
    f(
        "join",
        Function::Join,
        "list.join(separator)",
        &[".(list(string)) -> string", ".(list(string), string) -> string"],
    ),
    f(
        "reverse",
        Function::Reverse,
        "value.reverse()",
        &[".(string) -> string", ".(list(A)) -> list(A)"],
    ),
    f("strings.quote", Function::Quote, "strings.quote(text)", &["(string) -> string"]),
    f("base64.encode", Function::Base64Encode, "base64.encode(bytes)", &["(bytes) -> string"]),
    f("base64.decode", Function::Base64Decode, "base64.decode(text)", &["(string) -> bytes"]),
    f(
        "regex.extract",
        Function::Regex(Regex::Extract),
        "regex.extract(text, regex)",
        &["(string, string) -> optional(string)"],
    ),
    f(
        "regex.extractAll",
        Function::Regex(Regex::ExtractAll),
        "regex.extractAll(text, regex)",
        &["(string, string) -> list(string)"],
    ),
    f(
        "regex.replace",
        Function::Regex(Regex::Replace),
        "regex.replace(text, regex, replacement)",
        &["(string, string, string) -> string", "(string, string, string, int) -> string"],
    ),
    f("bool", Function::To(CelType::Bool), "bool(value)", &["(bool) -> bool", "(string) -> bool"]),
    f(
        "int",
        Function::To(CelType::Int),
        "int(value)",
        &[
            "(int) -> int",
            "(uint) -> int",
            "(double) -> int",
            "(string) -> int",
            "(timestamp) -> int",
            "(duration) -> int",
        ],
    ),
    f(
        "uint",
        Function::To(CelType::Uint),
        "uint(value)",
        &["(uint) -> uint", "(int) -> uint", "(double) -> uint", "(string) -> uint"],
    ),
    f(
        "double",
        Function::To(CelType::Double),
        "double(value)",
        &["(double) -> double", "(int) -> double", "(uint) -> double", "(string) -> double"],
    ),
    f(
        "string",
        Function::To(CelType::Text),
        "string(value)",
        &[
            "(string) -> string",
            "(bool) -> string",
            "(int) -> string",
            "(uint) -> string",
            "(double) -> string",
            "(bytes) -> string",
            "(timestamp) -> string",
            "(duration) -> string",
            "(ip) -> string",
            "(cidr) -> string",
        ],
    ),
    f(
        "bytes",
        Function::To(CelType::Bytes),
        "bytes(value)",
        &["(bytes) -> bytes", "(string) -> bytes"],
    ),
    f(
        "timestamp",
        Function::To(CelType::Timestamp),
        "timestamp(text)",
        &["(timestamp) -> timestamp", "(string) -> timestamp", "(int) -> timestamp"],
    ),
    f(
        "duration",
        Function::To(CelType::Duration),
        "duration(text)",
        &["(duration) -> duration", "(string) -> duration"],
    ),
    f("ip", Function::To(CelType::Ip), "ip(text)", &["(string) -> ip", "(ip) -> ip"]),
    f("cidr", Function::To(CelType::Cidr), "cidr(text)", &["(string) -> cidr", "(cidr) -> cidr"]),
    f("type", Function::TypeOf, "type(value)", &["(A) -> type(A)"]),
    f("dyn", Function::Dyn, "dyn(value)", &["(A) -> dyn"]),
    part("getFullYear", TimePart::FullYear, "time.getFullYear()"),
    part("getMonth", TimePart::Month, "time.getMonth()"),
    part("getDate", TimePart::Date, "time.getDate()"),
    part("getDayOfMonth", TimePart::DayOfMonth, "time.getDayOfMonth()"),
    part("getDayOfWeek", TimePart::DayOfWeek, "time.getDayOfWeek()"),
    part("getDayOfYear", TimePart::DayOfYear, "time.getDayOfYear()"),
    span("getHours", TimePart::Hours, "time.getHours()"),
    span("getMinutes", TimePart::Minutes, "time.getMinutes()"),
    span("getSeconds", TimePart::Seconds, "time.getSeconds()"),
    span("getMilliseconds", TimePart::Milliseconds, "time.getMilliseconds()"),
    clock("time.hour", TimePart::Hours, "time.hour(time, \"Europe/Berlin\")"),
    clock("time.minute", TimePart::Minutes, "time.minute(time, \"Europe/Berlin\")"),
    clock("time.weekday", TimePart::DayOfWeek, "time.weekday(time, \"Europe/Berlin\")"),
    clock("time.day", TimePart::Date, "time.day(time, \"Europe/Berlin\")"),
    clock("time.month", TimePart::Month, "time.month(time, \"Europe/Berlin\")"),
    f(
        "net.inCidr",
        Function::InCidr,
        "net.inCidr(ip, \"10.0.0.0/8\")",
        &[
            "(string, string) -> bool",
            "(ip, string) -> bool",
            "(ip, cidr) -> bool",
            "(string, cidr) -> bool",
        ],
    ),
    net("isIP", Net::IsIp, "isIP(text)", &["(string) -> bool"]),
    net("isCIDR", Net::IsCidr, "isCIDR(text)", &["(string) -> bool"]),
    net("ip.isCanonical", Net::IsCanonical, "ip.isCanonical(text)", &["(string) -> bool"]),
    net("family", Net::Family, "ip.family()", &[".(ip) -> int"]),
    net("isUnspecified", Net::IsUnspecified, "ip.isUnspecified()", ABOUT_IP),
    net("isLoopback", Net::IsLoopback, "ip.isLoopback()", ABOUT_IP),
    net("isGlobalUnicast", Net::IsGlobalUnicast, "ip.isGlobalUnicast()", ABOUT_IP),
    net("isLinkLocalMulticast", Net::IsLinkLocalMulticast, "ip.isLinkLocalMulticast()", ABOUT_IP),
    net("isLinkLocalUnicast", Net::IsLinkLocalUnicast, "ip.isLinkLocalUnicast()", ABOUT_IP),
    net(
        "containsIP",
        Net::ContainsIp,
        "cidr.containsIP(ip)",
        &[".(cidr, ip) -> bool", ".(cidr, string) -> bool"],
    ),
    net(
        "containsCIDR",
        Net::ContainsCidr,
        "cidr.containsCIDR(cidr)",
        &[".(cidr, cidr) -> bool", ".(cidr, string) -> bool"],
    ),
    net("ip", Net::AddressOf, "cidr.ip()", &[".(cidr) -> ip"]),
    net("masked", Net::Masked, "cidr.masked()", &[".(cidr) -> cidr"]),
    net("prefixLength", Net::PrefixLength, "cidr.prefixLength()", &[".(cidr) -> int"]),
    math("math.greatest", Math::Greatest, "math.greatest(a, b, …)", &["(number...) -> number"]),
    math("math.least", Math::Least, "math.least(a, b, …)", &["(number...) -> number"]),
    math("math.ceil", Math::Ceil, "math.ceil(number)", ROUNDING),
    math("math.floor", Math::Floor, "math.floor(number)", ROUNDING),
    math("math.round", Math::Round, "math.round(number)", ROUNDING),
    math("math.trunc", Math::Trunc, "math.trunc(number)", ROUNDING),
    math("math.abs", Math::Abs, "math.abs(number)", SIGNS),
    math("math.sign", Math::Sign, "math.sign(number)", SIGNS),
    math(
        "math.sqrt",
        Math::Sqrt,
        "math.sqrt(number)",
        &["(double) -> double", "(int) -> double", "(uint) -> double"],
    ),
    math("math.isNaN", Math::IsNaN, "math.isNaN(number)", ABOUT_DOUBLE),
    math("math.isInf", Math::IsInf, "math.isInf(number)", ABOUT_DOUBLE),
    math("math.isFinite", Math::IsFinite, "math.isFinite(number)", ABOUT_DOUBLE),
    math("math.bitAnd", Math::BitAnd, "math.bitAnd(a, b)", BITS),
    math("math.bitOr", Math::BitOr, "math.bitOr(a, b)", BITS),
    math("math.bitXor", Math::BitXor, "math.bitXor(a, b)", BITS),
    math("math.bitNot", Math::BitNot, "math.bitNot(a)", &["(int) -> int", "(uint) -> uint"]),
    math("math.bitShiftLeft", Math::BitShiftLeft, "math.bitShiftLeft(a, bits)", SHIFTS),
    math("math.bitShiftRight", Math::BitShiftRight, "math.bitShiftRight(a, bits)", SHIFTS),
    opt("optional.of", Opt::Of, "optional.of(value)", &["(A) -> optional(A)"]),
    opt(
        "optional.ofNonZeroValue",
        Opt::OfNonZero,
        "optional.ofNonZeroValue(value)",
        &["(A) -> optional(A)"],
    ),
    opt("optional.none", Opt::None, "optional.none()", &["() -> optional(A)"]),
    opt(
        "optional.unwrap",
        Opt::Unwrap,
        "optional.unwrap(list)",
        &["(list(optional(A))) -> list(A)"],
    ),
    opt("unwrapOpt", Opt::Unwrap, "list.unwrapOpt()", &[".(list(optional(A))) -> list(A)"]),
    opt("hasValue", Opt::HasValue, "optional.hasValue()", &[".(optional(A)) -> bool"]),
    opt("value", Opt::Value, "optional.value()", &[".(optional(A)) -> A"]),
    opt("or", Opt::Or, "optional.or(optional)", &[".(optional(A), optional(A)) -> optional(A)"]),
    opt("orValue", Opt::OrValue, "optional.orValue(value)", &[".(optional(A), A) -> A"]),
    opt("first", Opt::First, "list.first()", &[".(list(A)) -> optional(A)"]),
    opt("last", Opt::Last, "list.last()", &[".(list(A)) -> optional(A)"]),
    f("lists.range", Function::List(List::Range), "lists.range(size)", &["(int) -> list(int)"]),
    f(
        "slice",
        Function::List(List::Slice),
        "list.slice(start, end)",
        &[".(list(A), int, int) -> list(A)"],
    ),
    f(
        "flatten",
        Function::List(List::Flatten),
        "list.flatten()",
        &[".(list(dyn)) -> list(dyn)", ".(list(dyn), int) -> list(dyn)"],
    ),
    f("sort", Function::List(List::Sort), "list.sort()", &[".(list(A)) -> list(A)"]),
    f("distinct", Function::List(List::Distinct), "list.distinct()", &[".(list(A)) -> list(A)"]),
    f("sets.contains", Function::List(List::SetContains), "sets.contains(list, part)", SETS),
    f("sets.equivalent", Function::List(List::SetEquivalent), "sets.equivalent(list, list)", SETS),
    f("sets.intersects", Function::List(List::SetIntersects), "sets.intersects(list, list)", SETS),
    f(
        "lookup",
        Function::Lookup(LookupFunction::Row),
        "lookup(\"table\", key)",
        &["(string, dyn) -> map(string, dyn)"],
    ),
    f(
        "list.contains",
        Function::Lookup(LookupFunction::Contains),
        "list.contains(\"table\", key)",
        &["(string, dyn) -> bool"],
    ),
    column("mac.vendor", "mac_vendors", "vendor", "mac.vendor(mac)", &["(string) -> string"]),
    column("ip.asn", "ip_asn", "asn", "ip.asn(ip)", &["(string) -> dyn", "(ip) -> dyn"]),
    column(
        "ip.country",
        "ip_country",
        "country",
        "ip.country(ip)",
        &["(string) -> string", "(ip) -> string"],
    ),
    column(
        "user.groups",
        "user_groups",
        "groups",
        "user.groups(user)",
        &["(string) -> list(string)"],
    ),
];
