//! Builds the `_rest` value of one row: a JSON object that nests like the event.

use base::{Value, event::write_json_text};

/// Collects the fields of one row that have no column.
///
/// Objects on the way to a field are opened only when something inside is written, so that a row
/// whose fields all have columns costs nothing here.
#[derive(Debug, Default)]
pub(super) struct Rest {
    out: String,
    /// The keys of the objects being walked, outermost first; those past `depth` are kept only for
    /// their memory.
    path: Vec<String>,
    depth: usize,
    /// How many of them are open in `out`.
    open: usize,
    /// Whether the innermost open object has an entry.
    has_entry: bool,
}

impl Rest {
    /// Walks into the object under `key`.
    pub(super) fn enter(&mut self, key: &str) {
        match self.path.get_mut(self.depth) {
            Some(slot) => {
                slot.clear();
                slot.push_str(key);
            }
            None => self.path.push(key.to_owned()),
        }
        self.depth += 1;
    }

    /// Walks out again.
    pub(super) fn leave(&mut self) {
        if self.open == self.depth {
            self.out.push('}');
            self.open -= 1;
            self.has_entry = true;
        }
        self.depth -= 1;
    }

    /// Keeps a field of the object being walked.
    pub(super) fn put(&mut self, key: &str, value: &Value<'_>) {
        for parent in self.path.iter().take(self.depth).skip(self.open) {
            separate(&mut self.out, self.has_entry);
            write_json_text(parent, &mut self.out);
            self.out.push_str(":{");
            self.has_entry = false;
        }
        self.open = self.depth;
        separate(&mut self.out, self.has_entry);
        write_json_text(key, &mut self.out);
        self.out.push(':');
        value.write_json(&mut self.out);
        self.has_entry = true;
    }

    /// The row's value, if anything was kept; ready for the next row.
    pub(super) fn finish(&mut self) -> Option<&str> {
        debug_assert!(self.depth == 0, "a row ends where it began");
        self.has_entry = false;
        if self.out.is_empty() {
            return None;
        }
        self.out.push('}');
        Some(&self.out)
    }

    /// Forgets the last row.
    pub(super) fn clear(&mut self) {
        self.out.clear();
    }
}

fn separate(out: &mut String, has_entry: bool) {
    if out.is_empty() {
        out.push('{');
    } else if has_entry {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_objects_only_when_needed() {
        let mut rest = Rest::default();
        rest.enter("a");
        rest.enter("b");
        rest.put("x", &Value::Int(1));
        rest.leave();
        rest.enter("c");
        rest.leave();
        rest.put("y", &Value::Null);
        rest.leave();
        rest.enter("d");
        rest.leave();
        rest.put("z", &Value::text("t"));
        assert_eq!(rest.finish(), Some(r#"{"a":{"b":{"x":1},"y":null},"z":"t"}"#));
        rest.clear();
        assert_eq!(rest.finish(), None);
    }
}
