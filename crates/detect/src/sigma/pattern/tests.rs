//! Tables of wildcards, escapes and encodings, and the comparison with regular expressions.

use base::Value;
use proptest::prelude::*;

use super::{super::text::DASHES, *};
use crate::stream::fields::Leaf;

fn holds(test: &TextTest, text: &str) -> bool {
    test.holds(&Leaf::new(&Value::text(text)))
}

fn matches(pattern: &str, text: &str) -> bool {
    holds(&Pattern::parse(pattern).compile(false).unwrap(), text)
}

#[test]
fn wildcards_and_escapes() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("abc", &["abc", "ABC"], &["abcd", "ab", "xabc", ""]),
        ("", &[""], &["a", " "]),
        ("*", &["", "anything"], &[]),
        ("**", &["", "anything"], &[]),
        ("?", &["a", "é", "💥"], &["", "ab"]),
        ("a*", &["a", "abc", "A*"], &["ba"]),
        ("*c", &["c", "abc"], &["cb"]),
        ("*b*", &["b", "abc"], &["ac"]),
        ("a*c", &["ac", "abc", "abbc"], &["acb", "a"]),
        ("a*a", &["aa", "aba"], &["a"]),
        ("a?c", &["abc", "aéc"], &["ac", "abbc"]),
        ("*a?c*", &["xxabcxx", "aaac-abc"], &["xacx"]),
        ("*?*", &["a", "ab"], &[""]),
        ("?*?", &["ab", "abc"], &["a"]),
        ("*ab*ba*", &["abba", "xabxbax"], &["aba", "baab"]),
        ("*abab*", &["aabab", "ababab"], &["abba"]),
        ("*?a?b*", &["aaabb", "xaxb"], &["axb"]),
        (r"a\*c", &["a*c"], &["abc", r"a\*c"]),
        (r"a\?c", &["a?c"], &["abc"]),
        (r"a\\*c", &[r"a\c", r"a\bbc"], &["a*c"]),
        (r"a\\\*c", &[r"a\*c"], &[r"a\bc"]),
        (r"C:\Windows\*", &[r"C:\Windows*"], &[r"C:\Windows\System32"]),
        (r"C:\Windows\\*", &[r"c:\windows\system32", r"C:\Windows\"], &[r"C:\Windows"]),
        (r"\\server", &[r"\server"], &[r"\\server"]),
        (r"\\\\server\\share", &[r"\\server\share"], &[r"\server\share"]),
        (r"a\", &[r"a\"], &["a"]),
        (r"a\b", &[r"a\b"], &["ab"]),
        ("ÄÖ*", &["äöx", "ÄÖ"], &["ao"]),
        ("straße", &["STRAßE"], &["strasse"]),
    ];
    for (pattern, yes, no) in table {
        for text in *yes {
            assert!(matches(pattern, text), "{pattern} should match {text}");
        }
        for text in *no {
            assert!(!matches(pattern, text), "{pattern} should not match {text}");
        }
    }
}

#[test]
fn cased_patterns_compare_exactly() {
    let test = Pattern::parse("a*C").compile(true).unwrap();
    assert!(holds(&test, "abC"));
    assert!(!holds(&test, "abc"));
    assert!(!holds(&test, "AbC"));
}

#[test]
fn dashes_at_the_start_of_a_word_are_interchangeable() {
    let test = |value: &str, text: &str| {
        let mut pattern = Pattern::parse(value);
        pattern.dash();
        pattern.open_start();
        pattern.open_end();
        holds(&pattern.compile(false).unwrap(), text)
    };
    for dash in DASHES {
        assert!(test(" -enc ", &format!("x {dash}enc y")), "{dash}");
        assert!(test(&format!("{dash}enc"), "x -enc y"), "{dash} in the rule");
        assert!(test("/a -b", &format!("x {dash}a {dash}b")), "{dash}");
        // Not the one inside a word.
        assert_eq!(test("-no-profile", &format!("{dash}no{dash}profile")), dash == '-');
    }
    assert!(!test("-enc", "enc"));
    // No word follows: the dash is itself.
    assert!(test("- ", "a - b"));
    assert!(!test("- ", "a / b"));
    assert!(test("http://", "see http://x"));
}

#[test]
fn dashes_are_spelled_out_where_an_encoding_follows() {
    let mut pattern = Pattern::parse("-a /b");
    pattern.dash();
    let all = pattern.spell_dashes().unwrap();
    assert_eq!(all.len(), 25);
    assert!(all.iter().any(|value| value.bytes().unwrap() == b"/a -b"));
    let mut many = Pattern::parse("-a -b -c -d -e");
    many.dash();
    assert!(many.spell_dashes().is_err());
}

#[test]
fn encodings_follow_the_specification() {
    let base64 = |text: &str| Pattern::parse(text).base64().unwrap().bytes().unwrap();
    assert_eq!(base64("foobar"), b"Zm9vYmFy");
    // The specification's own example is `http://`.
    let offsets = Pattern::parse("http://").base64_offsets().unwrap();
    let offsets = offsets.map(|pattern| String::from_utf8(pattern.bytes().unwrap()).unwrap());
    assert_eq!(offsets, ["aHR0cDovL", "h0dHA6Ly", "odHRwOi8v"]);
    let utf16 = |encoding| {
        let mut pattern = Pattern::parse("aé");
        pattern.encode_utf16(encoding).unwrap();
        pattern.bytes().unwrap()
    };
    assert_eq!(utf16(Utf16::LittleEndian), [0x61, 0, 0xe9, 0]);
    assert_eq!(utf16(Utf16::BigEndian), [0, 0x61, 0, 0xe9]);
    assert_eq!(utf16(Utf16::WithMark), [0xff, 0xfe, 0x61, 0, 0xe9, 0]);
    assert!(Pattern::parse("a*").base64().is_err());
    assert!(Pattern::parse("a?").base64_offsets().is_err());
}

#[test]
fn encoded_bytes_that_are_no_text_are_refused() {
    let mut pattern = Pattern::parse("é");
    pattern.encode_utf16(Utf16::LittleEndian).unwrap();
    assert!(pattern.compile(false).is_err());
    assert!(pattern.base64().is_ok());
    let mut pattern = Pattern::parse("a*b");
    pattern.encode_utf16(Utf16::LittleEndian).unwrap();
    let test = pattern.compile(false).unwrap();
    assert!(holds(&test, "a\0xb\0"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The matcher agrees with the plain translation into a regular expression.
    #[test]
    fn patterns_match_as_their_regular_expression(
        pattern in r"[aAbé*?\\-]{0,10}",
        text in r"[aAbBéÉ*?\\-]{0,14}",
    ) {
        let mut regex = String::from(r"(?is)\A");
        let mut chars = pattern.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                '\\' => {
                    let plain = chars.next_if(|next| "*?\\".contains(*next)).unwrap_or('\\');
                    regex.push_str(&regex::escape(&plain.to_string()));
                }
                plain => regex.push_str(&regex::escape(&plain.to_string())),
            }
        }
        regex.push_str(r"\z");
        let expected = regex::Regex::new(&regex).unwrap().is_match(&text);
        prop_assert_eq!(matches(&pattern, &text), expected, "{} {}", pattern, text);
    }

    /// What is inside a longer text is found in that text's Base64, wherever it stands.
    #[test]
    fn base64_offsets_find_the_value_anywhere(
        before in "[ -~]{0,7}", value in "[a-zA-Z0-9é]{3,12}", after in "[ -~]{0,7}",
    ) {
        let encoded = STANDARD.encode(format!("{before}{value}{after}"));
        let needles = Pattern::parse(&value).base64_offsets().unwrap();
        let mut found = needles.iter().map(|needle| {
            let mut needle = needle.clone();
            needle.open_start();
            needle.open_end();
            holds(&needle.compile(true).unwrap(), &encoded)
        });
        prop_assert!(found.any(|found| found));
    }

    /// Spelling dashes out and matching them as one kind agree.
    #[test]
    fn dashes_match_as_they_are_spelled(
        value in "[-/a ]{0,6}", text in "[-/a \u{2013}]{0,6}",
    ) {
        let mut pattern = Pattern::parse(&value);
        pattern.dash();
        let is_match = |pattern: &Pattern| holds(&pattern.compile(false).unwrap(), &text);
        if let Ok(all) = pattern.clone().spell_dashes() {
            prop_assert_eq!(is_match(&pattern), all.iter().any(is_match));
        }
    }
}
