//! How what could not be read of a file in a binary format is told from its records.
//!
//! Who reads such a file writes it as text, and in the place of what it can't read a *note*: a line with
//! the reason and the bytes at fault. So what is lost has a place among the records, is counted with
//! them, and is stored with them.

use std::fmt::Write as _;

use crate::ABOUT_MARK;

/// What notes begin with. No text of any format does.
pub const DAMAGE_MARK: [u8; 2] = [ABOUT_MARK, b'!'];

/// Writes a note: `reason`, and the bytes at fault as hexadecimal digits.
pub fn write_damage(reason: &str, bytes: &[u8], out: &mut Vec<u8>) {
    let one_line = |character: char| if character.is_control() { ' ' } else { character };
    let mut note = String::with_capacity(reason.len() + 2 * bytes.len() + 4);
    note.extend(reason.chars().map(one_line));
    note.push(char::from(ABOUT_MARK));
    for byte in bytes {
        // Into a text, which always succeeds.
        write!(note, "{byte:02x}").ok();
    }
    note.push('\n');
    out.extend_from_slice(&DAMAGE_MARK);
    out.extend_from_slice(note.as_bytes());
}

/// The reason, if `line` is a note.
#[must_use]
pub fn read_damage(line: &[u8]) -> Option<&str> {
    let note = line.strip_prefix(&DAMAGE_MARK)?;
    let end = note.iter().position(|byte| *byte == ABOUT_MARK)?;
    std::str::from_utf8(note.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_a_line_with_its_reason() {
        let mut out = Vec::new();
        write_damage("row 3:\nno\u{1e}such page", b"\x00\xff", &mut out);
        assert_eq!(out, b"\x1e!row 3: no such page\x1e00ff\n");
        assert_eq!(read_damage(&out), Some("row 3: no such page"));
        for other in [&b"\x1e{}\x1ex"[..], b"\x1e!", b"\x1e!cut", b"!a\x1e", b"", b"\x1e!\xff\x1e"]
        {
            assert_eq!(read_damage(other), None);
        }
    }
}
