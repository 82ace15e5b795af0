//! A node as the JSON that says the same.

use std::fmt::Write as _;

use base::event::write_json_text;

use super::{Kind, Node, ScalarType};

impl Node {
    /// The JSON that says the same.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        write_json(self, &mut json);
        json
    }
}

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
        crate::yaml::parse(yaml).pop().unwrap().unwrap().to_json()
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
