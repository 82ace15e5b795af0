//! Grok: patterns with names, put together into regular expressions.
//!
//! `%{IP:client} took %{NUMBER:seconds:float}` names what it finds. The names of patterns are those
//! that Logstash made usual; the patterns are ours, and have neither look-around nor anything else
//! that would cost more than time proportional to the line.

use base::{
    ColumnType,
    limits::{GROK_DEPTH_MAX, GROK_EXPANDED_BYTES_MAX},
};

/// The patterns that come with dab. Those that others are made of stand by their names.
const PATTERNS: &[(&str, &str)] = &[
    // Words and numbers.
    ("USERNAME", r"[a-zA-Z0-9._-]+"),
    ("USER", "%{USERNAME}"),
    ("EMAILLOCALPART", r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-][a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]*"),
    ("EMAILADDRESS", "%{EMAILLOCALPART}@%{HOSTNAME}"),
    ("INT", r"[+-]?[0-9]+"),
    ("POSINT", r"\b[1-9][0-9]*\b"),
    ("NONNEGINT", r"\b[0-9]+\b"),
    ("BASE10NUM", r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"),
    ("NUMBER", "%{BASE10NUM}"),
    ("BASE16NUM", r"[+-]?(?:0[xX])?[0-9a-fA-F]+"),
    ("BASE16FLOAT", r"\b[+-]?(?:0[xX])?(?:[0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)\b"),
    ("WORD", r"\b\w+\b"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("DATA", ".*?"),
    ("GREEDYDATA", ".*"),
    ("GREEDYMULTILINE", "(?s:.*)"),
    ("QUOTEDSTRING", r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`"#),
    ("QS", "%{QUOTEDSTRING}"),
    ("UUID", "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"),
    ("BOOLEAN", "(?i:true|false)"),
    (
        "LOGLEVEL",
        "(?i:trace|debug|info(?:rmation)?|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|alert|emerg(?:ency)?|panic)",
    ),
    // Addresses and names of hosts.
    ("CISCOMAC", r"(?:[0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}"),
    ("WINDOWSMAC", "(?:[0-9a-fA-F]{2}-){5}[0-9a-fA-F]{2}"),
    ("COMMONMAC", "(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}"),
    ("MAC", "%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC}"),
    (
        "IPV4",
        r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
    ),
    (
        "IPV6",
        "(?:(?:%{IPV6PART}:){6}%{IPV4}|(?:%{IPV6PART}(?::%{IPV6PART}){0,5})?::(?:%{IPV6PART}:){0,5}%{IPV4}|(?:%{IPV6PART}:){7}%{IPV6PART}|(?:%{IPV6PART}(?::%{IPV6PART}){0,6})?::(?:%{IPV6PART}(?::%{IPV6PART}){0,6})?)(?:%[0-9A-Za-z._-]+)?",
    ),
    ("IPV6PART", "[0-9a-fA-F]{1,4}"),
    ("IP", "%{IPV6}|%{IPV4}"),
    ("HOSTNAME", r"\b[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,62})(?:\.[0-9A-Za-z_][0-9A-Za-z_-]{0,62})*\.?"),
    ("HOST", "%{HOSTNAME}"),
    ("IPORHOST", "%{IP}|%{HOSTNAME}"),
    ("HOSTPORT", "%{IPORHOST}:%{POSINT}"),
    // Paths and addresses of pages.
    ("UNIXPATH", r"(?:/[^\s/:]*)+"),
    ("WINPATH", r"(?:[A-Za-z]:|\\)(?:\\[^\\?*\s]*)+"),
    ("PATH", "%{UNIXPATH}|%{WINPATH}"),
    ("TTY", r"/dev/(?:pts|tty(?:[pq])?)(?:\w+)?/?[0-9]*"),
    ("URIPROTO", "[A-Za-z][A-Za-z0-9+.-]*"),
    ("URIHOST", "%{IPORHOST}(?::%{POSINT})?"),
    ("URIPATH", r"(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_\\-]*)+"),
    ("URIQUERY", r"[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\[\]<>\\^-]*"),
    ("URIPARAM", r"\?%{URIQUERY}"),
    ("URIPATHPARAM", "%{URIPATH}(?:%{URIPARAM})?"),
    ("URI", "%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATH}(?:%{URIPARAM})?)?"),
    // Times.
    (
        "MONTH",
        r"\b(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b",
    ),
    ("MONTHNUM", "0?[1-9]|1[0-2]"),
    ("MONTHNUM2", "0[1-9]|1[0-2]"),
    ("MONTHDAY", "0[1-9]|[12][0-9]|3[01]|[1-9]"),
    (
        "DAY",
        "(?i:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)",
    ),
    ("YEAR", "[0-9]{4}|[0-9]{2}"),
    ("HOUR", "2[0-3]|[01]?[0-9]"),
    ("MINUTE", "[0-5][0-9]"),
    ("SECOND", "(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?"),
    ("TIME", "%{HOUR}:%{MINUTE}:%{SECOND}"),
    ("DATE_US", "%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"),
    ("DATE_EU", "%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"),
    ("DATE", "%{DATE_US}|%{DATE_EU}"),
    ("ISO8601_TIMEZONE", "Z|[+-]%{HOUR}(?::?%{MINUTE})?"),
    ("ISO8601_SECOND", "%{SECOND}"),
    (
        "TIMESTAMP_ISO8601",
        "[0-9]{4}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?(?:%{ISO8601_TIMEZONE})?",
    ),
    ("TZ", "[A-Z]{3,4}"),
    ("DATESTAMP", "%{DATE}[- ]%{TIME}"),
    ("DATESTAMP_RFC822", "%{DAY} %{MONTH} %{MONTHDAY} [0-9]{4} %{TIME} %{TZ}"),
    ("DATESTAMP_RFC2822", "%{DAY}, %{MONTHDAY} %{MONTH} [0-9]{4} %{TIME} %{ISO8601_TIMEZONE}"),
    ("DATESTAMP_OTHER", "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} [0-9]{4}"),
    ("DATESTAMP_EVENTLOG", "[0-9]{4}%{MONTHNUM2}%{MONTHDAY}%{HOUR}%{MINUTE}%{SECOND}"),
    ("HTTPDATE", "%{MONTHDAY}/%{MONTH}/[0-9]{4}:%{TIME} [+-][0-9]{4}"),
    // Syslog.
    ("SYSLOGTIMESTAMP", "%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("PROG", r"[\x21-\x5a\x5c\x5e-\x7e]+"),
    ("SYSLOGPROG", r"%{PROG:program}(?:\[%{POSINT:pid}\])?"),
    ("SYSLOGHOST", "%{IPORHOST}"),
    ("SYSLOGFACILITY", "<%{NONNEGINT:facility}.%{NONNEGINT:priority}>"),
    (
        "SYSLOGBASE",
        "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} +%{SYSLOGPROG}:",
    ),
    ("SYSLOGLINE", "%{SYSLOGBASE} %{GREEDYDATA:text}"),
    // Servers of pages.
    ("HTTPDUSER", "%{EMAILADDRESS}|%{USER}"),
    (
        "HTTPD_COMMONLOG",
        r#"%{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \[%{HTTPDATE:timestamp}\] "(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" %{NUMBER:response} (?:%{NUMBER:bytes}|-)"#,
    ),
    ("HTTPD_COMBINEDLOG", "%{HTTPD_COMMONLOG} %{QS:referrer} %{QS:agent}"),
    ("COMMONAPACHELOG", "%{HTTPD_COMMONLOG}"),
    ("COMBINEDAPACHELOG", "%{HTTPD_COMBINEDLOG}"),
];

/// A pattern, put together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    /// The regular expression.
    pub(super) regex: String,
    /// The types that it says of groups.
    pub(super) types: Vec<(String, ColumnType)>,
}

/// Puts a pattern together. `definitions` come before those of the same name that come with dab.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn expand(
    pattern: &str,
    definitions: &[(String, String)],
) -> Result<Expanded, (String, String)> {
    let mut expanded = Expanded { regex: String::new(), types: Vec::new() };
    put(pattern, definitions, 0, &mut expanded)?;
    Ok(expanded)
}

fn put(
    pattern: &str,
    definitions: &[(String, String)],
    depth: usize,
    out: &mut Expanded,
) -> Result<(), (String, String)> {
    if depth > GROK_DEPTH_MAX {
        let message = format!("patterns stand inside one another more than {GROK_DEPTH_MAX} times");
        return Err((message, "look for a definition that names itself".to_owned()));
    }
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once("%{") {
        // In `[^%{]` and the like nothing is named.
        let Some((reference, behind)) = behind.split_once('}').filter(|(name, _)| is_name(name))
        else {
            out.regex.push_str(before);
            out.regex.push_str("%{");
            rest = behind;
            continue;
        };
        out.regex.push_str(before);
        let mut parts = reference.splitn(3, ':');
        let name = parts.next().unwrap_or_default();
        let field = parts.next().map(field_name).transpose()?;
        match &field {
            Some(field) => out.regex.push_str(&format!("(?P<{field}>")),
            None => out.regex.push_str("(?:"),
        }
        if let (Some(field), Some(kind)) = (field, parts.next()) {
            out.types.push((field, column_type(kind)?));
        }
        put(definition(name, definitions)?, definitions, depth + 1, out)?;
        out.regex.push(')');
        if out.regex.len() > GROK_EXPANDED_BYTES_MAX {
            let limit = GROK_EXPANDED_BYTES_MAX >> 10;
            let message = format!("put together, the pattern is longer than {limit} KiB");
            return Err((message, "look for definitions that repeat one another".to_owned()));
        }
        rest = behind;
    }
    out.regex.push_str(rest);
    Ok(())
}

/// `NAME`, `NAME:field` or `NAME:field:type`.
fn is_name(reference: &str) -> bool {
    let name = reference.split(':').next().unwrap_or_default();
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn definition<'d>(
    name: &str,
    definitions: &'d [(String, String)],
) -> Result<&'d str, (String, String)> {
    let own = definitions.iter().find(|(known, _)| known == name);
    let shipped = || PATTERNS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    own.map(|(_, text)| text.as_str()).or_else(shipped).ok_or_else(|| {
        let known = PATTERNS.iter().map(|(known, _)| *known);
        let known: Vec<&str> =
            known.chain(definitions.iter().map(|(own, _)| own.as_str())).collect();
        let help = super::read::similar(name, &known)
            .unwrap_or_else(|| "define it under `definitions`".to_owned());
        (format!("there is no pattern `{name}`"), help)
    })
}

/// A field's name as a group's: Logstash's `[a][b]` is `a.b`.
fn field_name(text: &str) -> Result<String, (String, String)> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let name = inner.map_or_else(|| text.to_owned(), |inner| inner.replace("][", "."));
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.bytes().all(is_allowed) {
        return Ok(name);
    }
    let help = "use letters, digits, `_` and `.`, with a letter or `_` in front";
    Err((format!("`{text}` can't name a field"), help.to_owned()))
}

fn column_type(kind: &str) -> Result<ColumnType, (String, String)> {
    match kind {
        "int" | "integer" | "long" => Ok(ColumnType::Int),
        "float" | "double" => Ok(ColumnType::Float),
        "bool" | "boolean" => Ok(ColumnType::Bool),
        "text" | "string" => Ok(ColumnType::Text),
        _ => Err((
            format!("`{kind}` is no type"),
            "use one of `int`, `float`, `bool`, `text`".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
