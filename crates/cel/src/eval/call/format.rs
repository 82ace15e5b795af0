//! `text.format([values])`: `%s %d %f %e %x %X %o %b`, with a precision for `%f` and `%e`.

use std::borrow::Cow;

use super::{Evaluated, Evaluation, convert};
use crate::{
    error::EvalError,
    value::{CelList, CelMap, CelValue},
};

const PRECISION_DEFAULT: usize = 6;
/// What Go's printer allows, too.
const PRECISION_MAX: usize = 1000;

impl<'a> Evaluation<'a> {
    pub(super) fn format(&mut self, text: &str, values: &CelList<'a>) -> Evaluated<'a> {
        let mut out = String::new();
        let mut rest = text;
        let mut next = 0;
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let (precision, after) = precision(after)?;
            let mut chars = after.chars();
            let verb = chars.next().ok_or_else(|| unparsed("unexpected end of string"))?;
            rest = chars.as_str();
            let value =
                values.get(next).ok_or_else(|| failed(format!("index {next} out of range")))?;
            next += 1;
            self.steps.take(1)?;
            self.clause(verb, precision, &value, &mut out)?;
            self.steps.take_bytes(out.len())?;
        }
        out.push_str(rest);
        Ok(CelValue::owned(out))
    }

    fn clause(
        &mut self,
        verb: char,
        precision: Option<usize>,
        value: &CelValue<'a>,
        out: &mut String,
    ) -> Result<(), EvalError> {
        match verb {
            's' => self.write(value, out)?,
            'd' => match value {
                CelValue::Int(_) | CelValue::Uint(_) | CelValue::Double(_) => {
                    self.write(value, out)?;
                }
                other => {
                    return Err(wrong("decimal clause can only be used on integers", other));
                }
            },
            'f' | 'e' => {
                let digits = precision.unwrap_or(PRECISION_DEFAULT);
                let Some(number) = value.as_double() else {
                    let kind = if verb == 'f' { "fixed-point" } else { "scientific" };
                    let rule = format!("{kind} clause can only be used on doubles");
                    return Err(wrong(&rule, value));
                };
                out.push_str(&match special(number) {
                    Some(name) => name.to_owned(),
                    None if verb == 'f' => format!("{number:.digits$}"),
                    None => scientific(number, digits),
                });
            }
            'x' | 'X' | 'o' | 'b' => out.push_str(&in_base(verb, value)?),
            other => {
                return Err(unparsed(&format!("unrecognized formatting clause \"{other}\"")));
            }
        }
        Ok(())
    }

    /// What `%s` writes.
    fn write(&mut self, value: &CelValue<'a>, out: &mut String) -> Result<(), EvalError> {
        self.steps.take(1)?;
        match value {
            CelValue::Null => out.push_str("null"),
            CelValue::Double(number) => match special(*number) {
                Some(name) => out.push_str(name),
                None => out.push_str(&number.to_string()),
            },
            CelValue::Bytes(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
            CelValue::Text(text) => {
                self.steps.take_bytes(text.len())?;
                out.push_str(text);
            }
            CelValue::List(list) => {
                out.push('[');
                for (index, member) in list.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    self.write(&member, out)?;
                }
                out.push(']');
            }
            CelValue::Map(map) => self.write_map(map, out)?,
            CelValue::Optional(_) => {
                let rule = "string clause can only be used on strings, bools, bytes, ints, \
                            doubles, maps, lists, types, durations, and timestamps";
                return Err(wrong(rule, value));
            }
            other => out.push_str(&convert::display(other)),
        }
        Ok(())
    }

    /// In the order of the keys' texts.
    fn write_map(&mut self, map: &CelMap<'a>, out: &mut String) -> Result<(), EvalError> {
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map.iter() {
            let (mut name, mut text) = (String::new(), String::new());
            self.write(&key, &mut name)?;
            self.write(&value, &mut text)?;
            entries.push((name, text));
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        out.push('{');
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            out.push_str(key);
            out.push_str(": ");
            out.push_str(value);
        }
        out.push('}');
        Ok(())
    }
}

fn special(number: f64) -> Option<&'static str> {
    match number {
        number if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// With at least two digits in the exponent, as C writes it.
fn scientific(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, magnitude) = match exponent.strip_prefix('-') {
        Some(magnitude) => ('-', magnitude),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{magnitude:0>2}")
}

fn in_base(verb: char, value: &CelValue<'_>) -> Result<String, EvalError> {
    let hex = |bytes: &[u8]| {
        let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if verb == 'X' { digits.to_uppercase() } else { digits }
    };
    match (verb, value) {
        ('x' | 'X', CelValue::Text(text)) => return Ok(hex(text.as_bytes())),
        ('x' | 'X', CelValue::Bytes(bytes)) => return Ok(hex(bytes)),
        ('b', CelValue::Bool(value)) => return Ok(u8::from(*value).to_string()),
        _ => {}
    }
    let (sign, magnitude) = match value {
        CelValue::Int(number) => (if *number < 0 { "-" } else { "" }, number.unsigned_abs()),
        CelValue::Uint(number) => ("", *number),
        other => {
            return Err(match verb {
                'o' => wrong("octal clause can only be used on integers", other),
                'b' => wrong("only integers and bools can be formatted as binary", other),
                _ => {
                    let rule = "only integers, byte buffers, and strings can be formatted as hex";
                    wrong(rule, other)
                }
            });
        }
    };
    Ok(match verb {
        'x' => format!("{sign}{magnitude:x}"),
        'X' => format!("{sign}{magnitude:X}"),
        'o' => format!("{sign}{magnitude:o}"),
        _ => format!("{sign}{magnitude:b}"),
    })
}

/// Reads `.3` before a verb.
fn precision(text: &str) -> Result<(Option<usize>, &str), EvalError> {
    let Some(after) = text.strip_prefix('.') else { return Ok((None, text)) };
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let (digits, rest) = after.split_at(end);
    let value = digits.parse().ok().filter(|value| *value <= PRECISION_MAX);
    match value {
        Some(value) => Ok((Some(value), rest)),
        None => Err(unparsed("error while parsing precision: no number up to 1000")),
    }
}

fn wrong(rule: &str, value: &CelValue<'_>) -> EvalError {
    failed(format!("error during formatting: {rule}, was given {}", value.kind()))
}

fn unparsed(what: &str) -> EvalError {
    failed(format!("could not parse formatting clause: {what}"))
}

fn failed(message: String) -> EvalError {
    EvalError::Text(Cow::Owned(message))
}
