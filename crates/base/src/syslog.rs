//! Where a message of syslog ends in a stream: both ways of [RFC 6587], told apart message by message.
//!
//! Those who receive streams and those who read files of them have to agree.
//!
//! [RFC 6587]: https://www.rfc-editor.org/rfc/rfc6587#section-3.4

use crate::{ABOUT_MARK, limits::RECORD_BYTES_MAX};

/// How the message is framed that a stream goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyslogFrame {
    /// Octet counting: the message is the bytes from `begin` to `end`.
    Counted {
        /// Behind the count and its space.
        begin: usize,
        /// Behind the message.
        end: usize,
    },
    /// Non-transparent framing: the message ends where its line does.
    Line,
    /// It takes more bytes to tell.
    Unknown,
}

/// The digits of the largest count that is believed, [`RECORD_BYTES_MAX`].
const DIGITS_MAX: usize = 8;

impl SyslogFrame {
    /// Tells how the message is framed that `bytes` begin with.
    ///
    /// A count is a number without leading zeros, a space, and the `<` and digit with which every
    /// message begins: a line of text that begins with a number is none. What is said beside a record
    /// ([`ABOUT_MARK`]) may stand in front of the message.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digits = bytes.iter().take(DIGITS_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
        let (Some(number), Some(rest)) = (bytes.get(..digits), bytes.get(digits..)) else {
            return Self::Line;
        };
        if digits > DIGITS_MAX || number.first() == Some(&b'0') {
            return Self::Line;
        }
        if digits == 0 {
            return if bytes.is_empty() { Self::Unknown } else { Self::Line };
        }
        match rest {
            [] | [b' '] | [b' ', b'<'] => Self::Unknown,
            [b' ', b'<', digit, ..] if digit.is_ascii_digit() => Self::counted(number),
            [b' ', ABOUT_MARK, ..] => Self::counted(number),
            _ => Self::Line,
        }
    }

    fn counted(number: &[u8]) -> Self {
        let digit = |sum: usize, byte: &u8| sum * 10 + usize::from(byte - b'0');
        let length = number.iter().fold(0, digit);
        if length > RECORD_BYTES_MAX {
            return Self::Line;
        }
        let begin = number.len() + 1;
        Self::Counted { begin, end: begin + length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_from_text() {
        let counted = |begin, end| SyslogFrame::Counted { begin, end };
        for (bytes, expected) in [
            (&b"5 <34>a"[..], counted(2, 7)),
            (b"16777216 <1", counted(9, 9 + RECORD_BYTES_MAX)),
            (b"12 \x1e{}\x1e", counted(3, 15)),
            (b"16777217 <1", SyslogFrame::Line),
            (b"123456789 <1", SyslogFrame::Line),
            (b"05 <34>a", SyslogFrame::Line),
            (b"<34>1 - -", SyslogFrame::Line),
            (b"5 users are logged in", SyslogFrame::Line),
            (b"5 <script>", SyslogFrame::Line),
            (b"5\n", SyslogFrame::Line),
            (b"\n", SyslogFrame::Line),
            (b"", SyslogFrame::Unknown),
            (b"12", SyslogFrame::Unknown),
            (b"12345678", SyslogFrame::Unknown),
            (b"12 ", SyslogFrame::Unknown),
            (b"12 <", SyslogFrame::Unknown),
        ] {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(SyslogFrame::of(bytes), expected, "{text}");
        }
    }
}
