//! Making an input smaller that something was found with.

/// How often it is tried, so that it ends.
const TRIES_MAX: usize = 4000;

/// Deletes what is not needed for `is_found`, from halves to single bytes, until nothing more can go.
#[must_use]
pub fn shrink(input: &[u8], is_found: &dyn Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut smallest = input.to_vec();
    let mut tries = 0;
    let mut size = smallest.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        let mut has_shrunk = false;
        while at < smallest.len() {
            tries += 1;
            if tries > TRIES_MAX {
                return smallest;
            }
            let end = (at + size).min(smallest.len());
            let mut shorter = smallest.clone();
            shorter.drain(at..end);
            if is_found(&shorter) {
                smallest = shorter;
                has_shrunk = true;
            } else {
                at = end;
            }
        }
        // Bytes may have become needless by what went after them.
        if size > 1 || !has_shrunk {
            size /= 2;
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_what_is_needed() {
        let input = b"a long text with a needle, and hay".repeat(20);
        let has = |input: &[u8]| {
            let at = input.iter().position(|byte| *byte == b'n');
            at.is_some_and(|at| input[at..].contains(&b'!')) || input.ends_with(b"hay")
        };
        assert_eq!(shrink(&input, &has), b"hay");
    }

    #[test]
    fn may_leave_nothing() {
        assert_eq!(shrink(b"abc", &|_| true), b"");
        assert_eq!(shrink(b"", &|_| true), b"");
    }
}
