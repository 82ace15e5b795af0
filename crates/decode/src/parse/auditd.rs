//! Records of Linux's audit daemon: `type=SYSCALL msg=audit(1795507200.123:77): arch=c000003e …`.
//!
//! Fields have the names and values of the record; what the kernel writes as hexadecimal digits
//! because it might hold anything (paths, arguments, titles of processes) is text again, and the
//! address of a `SOCKADDR` is taken apart. Where digits are no text, they stay. Each record is an
//! event by itself: those of one event of the kernel's have the same `serial`.

mod address;

use std::borrow::Cow;

use base::{ColumnType, Object, Value};

use super::{
    excerpt,
    gather::{Gather, cast, typed},
};
use crate::{Reject, RejectKind};

/// Room for the fields of most records.
const FIELDS_EXPECTED: usize = 32;

/// How deep quoted messages may stand in one another: real ones don't.
const DEPTH_MAX: usize = 2;

/// The fields that hold text that is not the kernel's own: quoted, or in hexadecimal digits (audit
/// userspace's `auparse`, "escaped" fields).
const ESCAPED: &[&str] = &[
    "acct",
    "cgroup",
    "cmd",
    "comm",
    "cwd",
    "data",
    "device",
    "dir",
    "exe",
    "file",
    "grp",
    "invalid_context",
    "key",
    "name",
    "new-disk",
    "new-fs",
    "ocomm",
    "old-disk",
    "old-fs",
    "path",
    "proctitle",
    "profile",
    "root_dir",
    "sw",
    "vm",
    "watch",
];

/// The fields that are whole numbers, unless a tool has put names in their place.
const NUMBERS: &[&str] = &[
    "argc", "auid", "egid", "euid", "exit", "fsgid", "fsuid", "gid", "inode", "item", "items",
    "lport", "new-auid", "new-ses", "oauid", "obj_gid", "obj_uid", "ogid", "old-auid", "old-ses",
    "opid", "oses", "ouid", "pid", "ppid", "serial", "ses", "sgid", "sig", "suid", "syscall",
    "uid",
];

type Types = [(String, ColumnType)];

/// Reads a record.
pub(crate) fn parse<'t>(types: &Types, text: &'t str) -> Result<Object<'t>, Reject> {
    let (stamp, begin, end) = stamp(text).ok_or_else(|| no_stamp(text))?;
    let mut record =
        Record { types, is_execve: false, gather: Gather::with_capacity(FIELDS_EXPECTED) };
    // `node=` and `type=`. What else the kernel's ring buffer has there (`audit: `) says nothing.
    let front = text.get(..begin).unwrap_or_default();
    let front = front.strip_suffix("msg=").unwrap_or(front);
    for word in front.split_ascii_whitespace().filter(|word| word.contains('=')) {
        record.fields(word, 0);
    }
    record.add("timestamp", Cow::Borrowed(stamp.time), false);
    record.add("serial", Cow::Borrowed(stamp.serial), false);
    let rest = text.get(end..).unwrap_or_default();
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let rest = record.access(rest);
    record.fields(rest, 0);
    Ok(record.gather.into_object())
}

/// `audit(1795507200.123:77)`.
struct Stamp<'t> {
    time: &'t str,
    serial: &'t str,
}

/// The first stamp, where it begins and where it ends.
fn stamp(text: &str) -> Option<(Stamp<'_>, usize, usize)> {
    const WORD: &str = "audit(";
    let begin = memchr::memmem::find(text.as_bytes(), WORD.as_bytes())?;
    let inside = text.get(begin + WORD.len()..)?;
    let (inside, _) = inside.split_once(')')?;
    let end = begin + WORD.len() + inside.len() + 1;
    let (time, serial) = inside.rsplit_once(':')?;
    let is_serial = !serial.is_empty() && serial.bytes().all(|byte| byte.is_ascii_digit());
    (is_serial && !time.is_empty()).then_some((Stamp { time, serial }, begin, end))
}

fn no_stamp(text: &str) -> Reject {
    let message = format!("the record has no `audit(time:serial)`: `{}`", excerpt(text));
    Reject::new(RejectKind::Syntax, message)
        .at(text.as_bytes(), 0)
        .help("keep lines that are no records out with `exclude`, or give them another log source")
}

/// A record while it is read.
struct Record<'t, 'r> {
    types: &'r Types,
    /// Whether `a0`, `a1` and so on are text: in `SYSCALL` they are numbers.
    is_execve: bool,
    gather: Gather<'t>,
}

impl<'t> Record<'t, '_> {
    /// SELinux: `avc:  denied  { read write } for  pid=1 …`. The names are `auparse`'s. Answers what
    /// follows.
    fn access(&mut self, text: &'t str) -> &'t str {
        let text = text.trim_ascii_start();
        let Some(rest) = text.strip_prefix("avc:").map(str::trim_ascii_start) else { return text };
        let (Some(open), Some(close)) = (rest.find('{'), rest.find('}')) else { return text };
        let (Some(result), Some(inside)) = (rest.get(..open), rest.get(open + 1..close)) else {
            return text;
        };
        let result = result.trim_ascii();
        if result.is_empty() || result.contains(['=', ' ']) {
            return text;
        }
        self.gather.add("seresult", Value::text(result));
        let permissions = inside.split_ascii_whitespace().map(Value::text).collect();
        self.gather.add("seperms", Value::List(permissions));
        let rest = rest.get(close + 1..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix("for ").unwrap_or(rest)
    }

    /// Reads `key=value key=value`.
    fn fields(&mut self, text: &'t str, depth: usize) {
        let mut rest = text;
        // Behind this character the daemon adds what it made of the numbers.
        while let Some(begin) = rest.find(|c: char| !is_between(c)) {
            rest = rest.get(begin..).unwrap_or_default();
            let end = rest.find(|c: char| c == '=' || is_between(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let Some(value) = behind.strip_prefix('=').filter(|_| !word.is_empty()) else {
                self.word(word);
                rest = behind.strip_prefix('=').unwrap_or(behind);
                continue;
            };
            rest = self.value(word, value, depth);
        }
    }

    /// A word that is no field: kept in `message`, where programs say things in their own words.
    fn word(&mut self, word: &'t str) {
        if !matches!(word, "" | ":" | ",") {
            self.gather.append("message", " ", Cow::Borrowed(word));
        }
    }

    /// Reads the value that `text` begins with. Answers what follows.
    fn value(&mut self, key: &'t str, text: &'t str, depth: usize) -> &'t str {
        let quoted = |quote: char| text.strip_prefix(quote)?.split_once(quote);
        if let Some((inside, behind)) = quoted('"') {
            self.add(key, Cow::Borrowed(inside), true);
            return behind;
        }
        // `msg='op=login acct="anna" …'`: the fields of the program that sent it.
        if let Some(inside) = text.strip_prefix('\'') {
            let (inside, behind) = inside.rsplit_once('\'').unwrap_or((inside, ""));
            let is_message = key == "msg" && inside.contains('=') && depth < DEPTH_MAX;
            if is_message {
                self.fields(inside, depth + 1);
            } else {
                self.add(key, Cow::Borrowed(inside), true);
            }
            return behind;
        }
        // `SADDR={ saddr_fam=inet laddr=192.0.2.1 lport=443 }`, as the daemon reads addresses.
        if let Some((inside, behind)) = text.strip_prefix('{').and_then(|text| text.split_once('}'))
            && depth < DEPTH_MAX
        {
            self.fields(inside, depth + 1);
            return behind;
        }
        let end = text.find(is_between).unwrap_or(text.len());
        let (value, behind) = text.split_at_checked(end).unwrap_or((text, ""));
        self.add(key, Cow::Borrowed(value), false);
        behind
    }

    fn add(&mut self, key: &'t str, text: Cow<'t, str>, is_quoted: bool) {
        if key == "type" && text == "EXECVE" {
            self.is_execve = true;
        }
        if !is_quoted && matches!(text.as_ref(), "?" | "(null)" | "(none)") {
            self.gather.add(key, Value::Null);
            return;
        }
        if self.types.iter().any(|(name, _)| name == key) {
            self.gather.add(key, typed(self.types, key, text));
        } else if NUMBERS.contains(&key) {
            self.gather.add(key, cast(text, ColumnType::Int));
        } else if key == "saddr" && !is_quoted {
            for (name, value) in address::parts(&text) {
                self.gather.add(name, value);
            }
            self.gather.add(key, Value::Text(text));
        } else if !is_quoted && (ESCAPED.contains(&key) || (self.is_execve && is_argument(key))) {
            self.escaped(key, text);
        } else {
            self.gather.add(key, Value::Text(text));
        }
    }

    /// Digits that stand for text. The parts of a long argument, `a1[0]`, `a1[1]`, are one.
    fn escaped(&mut self, key: &'t str, text: Cow<'t, str>) {
        let decoded = unhex(&text).map_or(text, |plain| match key {
            // Arguments are separated by zeros.
            "proctitle" => plain.trim_end_matches('\0').replace('\0', " ").into(),
            _ => plain.into(),
        });
        match key.split_once('[') {
            Some((name, _)) => self.gather.append(name, "", decoded),
            // Several keys of one rule.
            None if key == "key" && decoded.contains('\u{1}') => {
                for part in decoded.split('\u{1}') {
                    self.gather.add(key, Value::Text(Cow::Owned(part.to_owned())));
                }
            }
            None => self.gather.add(key, Value::Text(decoded)),
        }
    }
}

/// Spaces, and what the daemon puts in front of what it made of the numbers.
fn is_between(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{1d}')
}

/// `a0`, `a12` or `a1[0]`.
fn is_argument(key: &str) -> bool {
    let Some(number) = key.strip_prefix('a') else { return false };
    let number = number.split('[').next().unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text that hexadecimal digits stand for, if they do.
fn unhex(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || !bytes.len().is_multiple_of(2) {
        return None;
    }
    String::from_utf8(hex_bytes(bytes)?).ok()
}

fn hex_bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests;
