//! More events than were recorded: copies whose ids, numbers and hashes differ; and the numbers by
//! chance that this takes, the same in every run.
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
            let mut random = Random(crate::rules::fnv(run) ^ copy);
            for _ in run.chars() {
                let digit = u32::try_from(random.below(9)).unwrap_or(0) + 1;
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

/// Numbers by chance: `SplitMix64`, whose seed decides them all.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: usize) -> Self {
        Self(u64::try_from(seed).unwrap_or(0))
    }

    /// A number from 0 to below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap_or(0)
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<'m, T>(&mut self, members: &'m [T]) -> Option<&'m T> {
        members.get(self.below(members.len()))
    }
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
