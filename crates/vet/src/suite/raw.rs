//! The raw event of a test: what its log source would have delivered.

use std::fmt::Write as _;

use base::event::write_json_text;
use decode::{Format, Frame, FrameState, Framer, Layout};
use detect::yaml::{Kind, Node, ScalarType};

/// A raw event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RawEvent {
    /// Bytes as they arrive, perhaps with several records in them.
    Text(String),
    /// One record, as JSON.
    Record(String),
}

impl RawEvent {
    /// Reads the value of `event`. Answers what is wrong with it, if it can't be one.
    pub(crate) fn read(node: &Node) -> Result<Self, String> {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.scalar_type() == ScalarType::Text => {
                Ok(Self::Text(scalar.text.clone()))
            }
            Kind::Map(_) => {
                let mut json = String::new();
                write_json(node, &mut json);
                Ok(Self::Record(json))
            }
            Kind::Scalar(_) | Kind::List(_) => {
                Err(format!("an event is a mapping or a text, and this is {}", node.kind_name()))
            }
        }
    }

    /// Calls `each` for every record in it; answers why there is none, or why part of it is none.
    pub(crate) fn records(
        &self,
        format: &Format,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), String> {
        let text = match self {
            Self::Record(_) if matches!(format.layout, Layout::Lines(_)) => {
                return Err("the log source reads lines of text, and the event is a mapping: \
                            write the line as a text"
                    .to_owned());
            }
            Self::Record(json) => {
                each(json.as_bytes());
                return Ok(());
            }
            Self::Text(text) => text,
        };
        let mut trouble = None;
        let mut count = 0_usize;
        let mut framer = Framer::new(format, FrameState::default(), 0);
        framer.frame(text.as_bytes(), true, &mut |frame| match frame {
            Frame::Record { bytes, .. } => {
                count += 1;
                each(bytes);
            }
            Frame::Malformed { problem, .. } => trouble = Some(problem.to_string()),
            Frame::Oversize { .. } => trouble = Some(decode::Reject::oversize().to_string()),
        });
        match trouble {
            Some(trouble) => Err(trouble),
            None if count == 0 => Err("there is no record in the event".to_owned()),
            None => Ok(()),
        }
    }
}

/// Writes YAML as the JSON that says the same.
fn write_json(node: &Node, out: &mut String) {
    match &node.kind {
        Kind::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json_text(key.as_str().unwrap_or_default(), out);
                out.push(':');
                write_json(value, out);
            }
            out.push('}');
        }
        Kind::List(members) => {
            out.push('[');
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(member, out);
            }
            out.push(']');
        }
        Kind::Scalar(scalar) => match scalar.scalar_type() {
            ScalarType::Null => out.push_str("null"),
            ScalarType::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            ScalarType::Number => write_number(&scalar.text, out),
            ScalarType::Text => write_json_text(&scalar.text, out),
        },
    }
}

/// A number that JSON can spell as YAML does stays as it is written; `0x1f`, `+1` and their like
/// are written anew.
fn write_number(text: &str, out: &mut String) {
    if is_json_number(text) {
        return out.push_str(text);
    }
    let whole = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(hex), _) => u64::from_str_radix(hex, 16).ok().map(i128::from),
        (_, Some(octal)) => u64::from_str_radix(octal, 8).ok().map(i128::from),
        _ => text.parse::<i128>().ok(),
    };
    // Writing to a string cannot fail.
    match (whole, text.parse::<f64>()) {
        (Some(whole), _) => write!(out, "{whole}").unwrap_or_default(),
        (None, Ok(float)) if float.is_finite() => write!(out, "{float:?}").unwrap_or_default(),
        (None, _) => write_json_text(text, out),
    }
}

fn is_json_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let leads = unsigned.starts_with('0') && digits > 1;
    let behind = unsigned.get(digits..).unwrap_or_default();
    let (fraction, exponent) = match behind.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(exponent)),
        None => (behind, None),
    };
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits > 0
        && !leads
        && (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(all_digits))
        && exponent.is_none_or(|exponent| {
            all_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(yaml: &str) -> String {
        let node = detect::yaml::parse(yaml).pop().unwrap().unwrap();
        let mut out = String::new();
        write_json(&node, &mut out);
        out
    }

    #[test]
    fn yaml_becomes_the_json_that_says_the_same() {
        assert_eq!(
            json("a: [1, 1.50, -0, 1e3, 'x', \"y\\n\", ~, true, 'true', 2026-11-24, {b: }]"),
            r#"{"a":[1,1.50,-0,1e3,"x","y\n",null,true,"true","2026-11-24",{"b":null}]}"#
        );
        assert_eq!(json("[0x1f, 0o17, +1, 007, .5, 1.]"), "[31,15,1,7,0.5,1.0]");
        assert_eq!(
            json("[123456789012345678901234567890, 18446744073709551615]"),
            "[123456789012345678901234567890,18446744073709551615]"
        );
        for text in ["", "-", "01", "1.", ".1", "1e", "1e+", "0x1", "1 "] {
            assert!(!is_json_number(text), "{text}");
        }
        let parsed: serde_json::Value = serde_json::from_str(&json("[-1.5e-3, 0, 0.1]")).unwrap();
        assert_eq!(parsed, serde_json::json!([-0.0015, 0, 0.1]));
    }
}
