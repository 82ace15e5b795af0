//! More events than were recorded: copies whose ids, numbers and hashes differ.
//!
//! An engine that remembers values it has seen would otherwise meet every value again and again.
//! What rules test (names, paths, commands) stays, and repeats as it does in real logs.

use serde_json::Value;

/// Keys whose digits say what kind of event it is, or when.
const KEPT: &[&str] = &["EventID", "Channel", "Version", "Provider_Name", "SourceName"];

/// Changes the digits of every run of four or more, the same in the whole event for the same run.
pub(crate) fn mutate(event: &mut Value, copy: u64) {
    if copy > 0 {
        change("", event, copy);
    }
}

fn change(key: &str, value: &mut Value, copy: u64) {
    match value {
        Value::String(text) if !is_kept(key) => *text = digits(text, copy),
        Value::Array(members) => members.iter_mut().for_each(|member| change(key, member, copy)),
        Value::Object(entries) => {
            entries.iter_mut().for_each(|(key, value)| change(key, value, copy));
        }
        _ => {}
    }
}

fn is_kept(key: &str) -> bool {
    let is_time = key.to_ascii_lowercase().contains("time") || key.starts_with('@');
    is_time || key == "published" || KEPT.contains(&key)
}

fn digits(text: &str, copy: u64) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let end = |run: &mut String, out: &mut String| {
        if run.len() < 4 {
            out.push_str(run);
        } else {
            // A linear congruential generator, seeded with the run: same in, same out.
            let mut state = run.bytes().fold(copy, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1)
            });
            for _ in run.chars() {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767);
                let digit = u32::try_from((state >> 33) % 9).unwrap_or(0) + 1;
                out.extend(char::from_digit(digit, 10));
            }
        }
        run.clear();
    };
    for char in text.chars() {
        if char.is_ascii_digit() {
            run.push(char);
        } else {
            end(&mut run, &mut out);
            out.push(char);
        }
    }
    end(&mut run, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_long_runs_alike_and_keeps_the_rest() {
        let text = r#"{"EventID":4688,"a":"S-1-5-21-12345 cmd32 12345","UtcTime":"2020-01-01"}"#;
        let mut event: Value = serde_json::from_str(text).unwrap_or_default();
        let before = event.clone();
        mutate(&mut event, 0);
        assert_eq!(event, before);
        mutate(&mut event, 1);
        let changed = event["a"].as_str().unwrap_or_default().to_owned();
        let words: Vec<&str> = changed.split(' ').collect();
        assert!(words[0].starts_with("S-1-5-21-") && words[0] != "S-1-5-21-12345");
        assert_eq!((words[1], words[0].strip_prefix("S-1-5-21-")), ("cmd32", Some(words[2])));
        assert_eq!(
            (&event["EventID"], &event["UtcTime"]),
            (&before["EventID"], &before["UtcTime"])
        );
    }
}
