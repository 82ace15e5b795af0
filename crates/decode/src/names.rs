//! Names to look for in every event, found in one pass over its keys.

/// A set of names. Nearly every key of an event is no name of the set, or the only one in its
/// bucket, so that a look costs one comparison at most.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: Vec<String>,
    /// The numbers of the names with this hash.
    buckets: Vec<Vec<usize>>,
}

const BUCKETS: usize = 256;

/// From what tells the names of a log source apart, and costs nothing to read.
fn bucket(name: &[u8]) -> usize {
    let byte = |at: usize| name.get(at).map_or(0, |byte| usize::from(*byte));
    let length = name.len();
    let last = byte(length.wrapping_sub(1));
    (length.wrapping_mul(37) ^ byte(0).wrapping_mul(5) ^ last.wrapping_mul(11) ^ byte(length / 2))
        % BUCKETS
}

impl Names {
    /// Adds a name, unless it is there. Answers its number.
    pub(crate) fn add(&mut self, name: &str) -> usize {
        if let Some(number) = self.find(name) {
            return number;
        }
        self.buckets.resize_with(BUCKETS, Vec::new);
        if let Some(bucket) = self.buckets.get_mut(bucket(name.as_bytes())) {
            bucket.push(self.names.len());
        }
        self.names.push(name.to_owned());
        self.names.len() - 1
    }

    /// How many names there are: their numbers are below.
    pub(crate) const fn len(&self) -> usize {
        self.names.len()
    }

    /// The number of a name.
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let bucket = self.buckets.get(bucket(name.as_bytes()))?;
        let is_it = |number: &&usize| self.names.get(**number).is_some_and(|known| known == name);
        bucket.iter().find(is_it).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_added_and_nothing_else() {
        let mut names = Names::default();
        assert_eq!(names.find("a"), None);
        let words: Vec<String> = (0..500).map(|number| format!("name{}", number * 7)).collect();
        for (number, word) in words.iter().enumerate() {
            assert_eq!(names.add(word), number);
        }
        assert_eq!(names.add("name7"), 1);
        assert_eq!(names.len(), 500);
        for (number, word) in words.iter().enumerate() {
            assert_eq!(names.find(word), Some(number));
            assert_eq!(names.find(&format!("{word}x")), None);
        }
        assert_eq!(names.find(""), None);
    }
}
