//! CSV cut into rows, each as it is written: quotes may hold line breaks.

/// The rows without their line ends, empty ones left out. A quote that is never closed ends with the
/// text.
pub(super) fn rows(text: &[u8]) -> Vec<&[u8]> {
    let mut rows = Vec::new();
    let (mut start, mut is_quoted) = (0, false);
    for (index, byte) in text.iter().enumerate() {
        match byte {
            // A doubled quote opens and closes again.
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => {
                rows.push(text.get(start..index).unwrap_or_default());
                start = index + 1;
            }
            _ => {}
        }
    }
    rows.push(text.get(start..).unwrap_or_default());
    rows.into_iter()
        .map(|row| row.strip_suffix(b"\r").unwrap_or(row))
        .filter(|row| !row.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_line_breaks() {
        let text = b"\"A\",\"B\"\r\n\"1\",\"x\ny \"\"z\"\"\n\"\r\n\r\n\"2\",\"\"";
        let found: Vec<_> = rows(text).into_iter().map(String::from_utf8_lossy).collect();
        assert_eq!(found, ["\"A\",\"B\"", "\"1\",\"x\ny \"\"z\"\"\n\"", "\"2\",\"\""]);
        assert!(rows(b"").is_empty());
        assert_eq!(rows(b"a\n\"b\nc").len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_line_ends_is_left_out(text in "[a\",\r\n]{0,40}") {
            let kept: usize = rows(text.as_bytes()).iter().map(|row| row.len()).sum();
            let ends = text.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
            proptest::prop_assert!(kept + ends >= text.len());
        }
    }
}
