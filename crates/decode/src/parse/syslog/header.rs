//! What stands in front of a message of syslog.

use std::borrow::Cow;

use base::{Object, Value};

use super::super::gather::Gather;
use crate::time;

/// The names that syslog.h and RFC 5424 have for facilities.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

const SEVERITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// The longest name of a program in front of a message: RFC 3164 has 32, RFC 5424 48, and paths are
/// longer.
const TAG_BYTES_MAX: usize = 128;

/// A header, and the message behind it.
pub(super) struct Header<'t> {
    pub(super) fields: Object<'t>,
    pub(super) appname: Option<&'t str>,
    pub(super) message: &'t str,
}

impl<'t> Header<'t> {
    fn set(&mut self, name: &'static str, text: &'t str) {
        if !matches!(text, "" | "-") {
            self.fields.push(name, Value::text(text));
        }
    }
}

/// Reads the header of a line.
pub(super) fn read(text: &str) -> Header<'_> {
    let mut header = Header { fields: Object::with_capacity(8), appname: None, message: text };
    let Some((priority, behind)) = priority(text) else {
        read_traditional(&mut header, false);
        return header;
    };
    header.fields.push("priority", Value::Int(i64::from(priority)));
    let facility = FACILITIES.get(usize::from(priority >> 3)).copied();
    header.set("facility", facility.unwrap_or_default());
    header.set("severity", SEVERITIES.get(usize::from(priority & 7)).copied().unwrap_or_default());
    header.message = behind;
    if read_versioned(&mut header).is_none() {
        read_traditional(&mut header, true);
    }
    header
}

/// `<34>`, up to 191.
fn priority(text: &str) -> Option<(u8, &str)> {
    let (digits, behind) = text.strip_prefix('<')?.split_once('>')?;
    let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let priority = digits.parse().ok().filter(|priority| is_number && *priority <= 191)?;
    Some((priority, behind))
}

/// The header of RFC 5424, from its version on. Without any of its parts it is none, and nothing is
/// set.
fn read_versioned(header: &mut Header<'_>) -> Option<()> {
    let (version, rest) = header.message.split_once(' ')?;
    let number = version.parse::<u8>().ok().filter(|number| (1..100).contains(number))?;
    let (timestamp, rest) = rest.split_once(' ')?;
    (timestamp == "-" || time::length(timestamp) == Some(timestamp.len())).then_some(())?;
    timestamp.contains(['-', 'T']).then_some(())?;
    let (hostname, rest) = rest.split_once(' ')?;
    let (appname, rest) = rest.split_once(' ')?;
    let (procid, rest) = rest.split_once(' ')?;
    let (msgid, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    header.fields.push("version", Value::Int(i64::from(number)));
    for (name, text) in [
        ("timestamp", timestamp),
        ("hostname", hostname),
        ("appname", appname),
        ("procid", procid),
        ("msgid", msgid),
    ] {
        header.set(name, text);
    }
    header.appname = Some(appname).filter(|name| *name != "-");
    // What is no structured data is part of the message: not all senders have it.
    let rest = match structured_data(rest) {
        Some((Some(data), rest)) => {
            header.fields.push("structured_data", Value::Object(data));
            rest
        }
        Some((None, rest)) => rest,
        None => rest,
    };
    header.message = rest.strip_prefix('\u{feff}').unwrap_or(rest);
    Some(())
}

/// `-`, or `[id name="value" …]…`, and what follows behind a space. An id's part behind `@`, the
/// enterprise's number, is the value of `@`, so that the id is a name that can be written.
fn structured_data(text: &str) -> Option<(Option<Object<'_>>, &str)> {
    let behind = |rest: &'_ str| -> bool { rest.is_empty() || rest.starts_with(' ') };
    if let Some(rest) = text.strip_prefix('-').filter(|rest| behind(rest)) {
        return Some((None, rest.strip_prefix(' ').unwrap_or(rest)));
    }
    let mut elements = Gather::with_capacity(2);
    let mut rest = text;
    while let Some(inside) = rest.strip_prefix('[') {
        let end = inside.find([' ', ']'])?;
        let (id, mut left) = inside.split_at_checked(end)?;
        if id.is_empty() || id.contains(['=', '"']) {
            return None;
        }
        let mut parameters = Gather::with_capacity(8);
        let name = match id.split_once('@') {
            Some((name, number)) if !name.is_empty() => {
                parameters.add("@", Value::text(number));
                name
            }
            _ => id,
        };
        loop {
            left = left.trim_start_matches(' ');
            if let Some(behind) = left.strip_prefix(']') {
                rest = behind;
                break;
            }
            let (parameter, value, behind) = parameter(left)?;
            parameters.add(parameter, Value::Text(value));
            left = behind;
        }
        elements.add(name, Value::Object(parameters.into_object()));
    }
    let elements = elements.into_object();
    if elements.is_empty() || !behind(rest) {
        return None;
    }
    Some((Some(elements), rest.strip_prefix(' ').unwrap_or(rest)))
}

/// `name="value"` and what follows. In the value `\"`, `\\` and `\]` stand for their second
/// character.
fn parameter(text: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    let (name, value) = text.split_once("=\"")?;
    if name.is_empty() || name.contains([' ', ']', '"', '=']) {
        return None;
    }
    let mut at = 0;
    let mut is_escaped = false;
    let end = loop {
        let found = at + memchr::memchr2(b'"', b'\\', value.as_bytes().get(at..)?)?;
        if value.as_bytes().get(found) == Some(&b'"') {
            break found;
        }
        is_escaped = true;
        at = found + 2;
    };
    let behind = value.get(end + 1..)?;
    let value = value.get(..end)?;
    if !is_escaped {
        return Some((name, Cow::Borrowed(value), behind));
    }
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        let next = characters.as_str().chars().next();
        if character == '\\' && matches!(next, Some('"' | '\\' | ']')) {
            characters.next();
            plain.extend(next);
        } else {
            plain.push(character);
        }
    }
    Some((name, Cow::Owned(plain), behind))
}

/// The header of RFC 3164 and its relatives: each part of it may be missing.
fn read_traditional(header: &mut Header<'_>, has_priority: bool) {
    let text = header.message;
    let mut rest = text;
    if has_priority {
        rest = read_numbers(header, rest);
    }
    let Some(length) = time::length(rest) else {
        if has_priority {
            header.message = rest;
            read_tag(header);
        }
        return;
    };
    let (timestamp, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
    // `*` says of a Cisco's clock that it is not synchronized: it is part of the time.
    if !behind.is_empty() && !behind.starts_with([' ', ':']) {
        return;
    }
    header.set("timestamp", timestamp.trim_start_matches(':'));
    let is_hostless = behind.starts_with(':');
    header.message = behind.trim_start_matches(':').trim_start_matches(' ');
    if !is_hostless && tag(header.message).is_none() {
        read_hostname(header);
    }
    read_tag(header);
}

/// What routers write in front of the time: `42: `, and their name as `router: `. Or a version, in
/// front of a time that is not RFC 5424's.
fn read_numbers<'t>(header: &mut Header<'t>, text: &'t str) -> &'t str {
    let mut rest = text;
    if let Some(behind) = rest.strip_prefix("1 ").filter(|behind| time::length(behind).is_some()) {
        header.fields.push("version", Value::Int(1));
        return behind;
    }
    if let Some((number, behind)) = rest.split_once(": ")
        && !number.is_empty()
        && number.len() <= 20
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        header.set("sequence", number);
        rest = behind.trim_start_matches(' ');
    }
    if time::length(rest).is_none()
        && let Some((host, behind)) = rest.split_once(": ")
        && is_hostname(host)
        && time::length(behind).is_some()
    {
        header.set("hostname", host);
        rest = behind;
    }
    rest
}

fn read_hostname(header: &mut Header<'_>) {
    let (word, behind) = header.message.split_once(' ').unwrap_or((header.message, ""));
    if is_hostname(word) && !behind.is_empty() {
        header.set("hostname", word);
        let behind = behind.trim_start_matches(' ');
        // Cisco: `asa01 : %ASA-6-302013: …`.
        let behind = behind.strip_prefix(": ").unwrap_or(behind);
        header.message = behind.trim_start_matches(' ');
    }
}

fn is_hostname(word: &str) -> bool {
    let is_allowed = |byte: u8| !matches!(byte, b'{' | b'=' | b'"' | b'|' | b',' | b' ' | b'<');
    !word.is_empty() && word.bytes().all(is_allowed) && !is_payload(word)
}

/// Whether this is no header any more: formats that begin like a program's name.
fn is_payload(word: &str) -> bool {
    word.starts_with("CEF:") || word.starts_with("LEEF:")
}

fn read_tag(header: &mut Header<'_>) {
    let Some(Tag { name, process, message }) = tag(header.message) else { return };
    header.set("appname", name);
    header.appname = Some(name);
    if let Some(process) = process {
        header.set("procid", process);
    }
    header.message = message;
}

/// The program that a message comes from: `sshd[811]: ` or `sudo: `.
struct Tag<'t> {
    name: &'t str,
    process: Option<&'t str>,
    message: &'t str,
}

fn tag(text: &str) -> Option<Tag<'_>> {
    let is_allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'\\' | b'%' | b'@' | b'(' | b')' | b'+')
    };
    let length = text.bytes().take(TAG_BYTES_MAX + 1).take_while(is_allowed).count();
    let (name, mut rest) = text.split_at_checked(length)?;
    if name.is_empty() || length > TAG_BYTES_MAX || is_payload(text) {
        return None;
    }
    let mut process = None;
    if let Some(inside) = rest.strip_prefix('[') {
        let (number, behind) = inside.split_once(']')?;
        (!number.contains(' ')).then_some(())?;
        process = Some(number);
        rest = behind;
    }
    let message = match rest.strip_prefix(':') {
        Some(message) => message,
        None if process.is_some() => rest,
        None => return None,
    };
    let begins = matches!(message.bytes().next(), None | Some(b' ' | b'\t' | b'{' | b'['));
    begins.then(|| Tag { name, process, message: message.trim_start_matches(' ') })
}
