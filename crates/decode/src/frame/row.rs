//! Where a row of RFC 4180 ends: at a line end that is not in quotes.

/// Looks for the end of a row, over as many buffers as it takes.
#[derive(Debug, Clone)]
pub(super) struct RowScan {
    delimiter: u8,
    in_quotes: bool,
    /// The last byte was a quote inside of quotes: the next one says whether it closed them.
    after_quote: bool,
    /// A value begins here. Only there do quotes open.
    at_value: bool,
}

impl RowScan {
    pub(super) const fn new(delimiter: u8) -> Self {
        Self { delimiter, in_quotes: false, after_quote: false, at_value: true }
    }

    /// The index of the row's line end, if it is in `bytes`.
    pub(super) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if std::mem::take(&mut self.after_quote) {
            match bytes.first() {
                None => self.after_quote = true,
                Some(b'"') => at = 1,
                Some(_) => self.in_quotes = false,
            }
        }
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.in_quotes {
                let Some(quote) = memchr::memchr(b'"', rest) else { break };
                match rest.get(quote + 1) {
                    None => {
                        self.after_quote = true;
                        break;
                    }
                    Some(b'"') => at += quote + 2,
                    Some(_) => {
                        self.in_quotes = false;
                        at += quote + 1;
                    }
                }
                continue;
            }
            let Some(found) = memchr::memchr2(b'"', b'\n', rest) else { break };
            let place = at + found;
            if bytes.get(place) == Some(&b'\n') {
                return Some(place);
            }
            let before = place.checked_sub(1).and_then(|before| bytes.get(before));
            self.in_quotes = before.map_or(self.at_value, |byte| *byte == self.delimiter);
            at = place + 1;
        }
        if let Some(last) = bytes.last() {
            self.at_value = *last == self.delimiter;
        }
        None
    }
}
