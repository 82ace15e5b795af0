//! How deep the columns of a Parquet file nest, before anything else looks at them: what reads schemas calls
//! itself for each level, and a file of a few MiB could have a million.
//!
//! The metadata is a struct in Thrift's compact protocol; its second field is the list of the schema's
//! elements, from the root down, each with the number of those inside it.

use base::limits::JSON_DEPTH_MAX;

const SCHEMA: i16 = 2;
const NUM_CHILDREN: i16 = 5;

/// How deep Thrift's own values nest here: Parquet's need five.
const VALUES_DEEP_MAX: u32 = 32;

/// # Errors
/// If columns nest deeper than JSON may, or this is no such struct.
pub(super) fn check(metadata: &[u8]) -> Result<(), String> {
    let mut thrift = Thrift { rest: metadata };
    match thrift.schema() {
        Some(true) => Ok(()),
        Some(false) => Err(format!("its columns nest deeper than {JSON_DEPTH_MAX}")),
        None => Err("its metadata can't be read".to_owned()),
    }
}

struct Thrift<'t> {
    rest: &'t [u8],
}

impl Thrift<'_> {
    /// Whether the columns nest as deep as may be.
    fn schema(&mut self) -> Option<bool> {
        let mut id = 0;
        loop {
            let kind = self.field(&mut id)?;
            if id == SCHEMA && kind == 9 {
                return self.elements();
            }
            self.skip(kind, 0)?;
        }
    }

    fn elements(&mut self) -> Option<bool> {
        let (count, kind) = self.list()?;
        if kind != 12 {
            return None;
        }
        // How many elements are still to come inside of each that is open.
        let mut open: Vec<u64> = Vec::new();
        for _ in 0..count {
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            let children = self.children()?;
            if children > 0 {
                open.push(children);
            }
            if open.len() > JSON_DEPTH_MAX {
                return Some(false);
            }
            while open.last() == Some(&0) {
                open.pop();
            }
        }
        Some(true)
    }

    /// How many elements are inside of this one.
    fn children(&mut self) -> Option<u64> {
        let (mut id, mut children) = (0, 0);
        loop {
            let kind = self.field(&mut id)?;
            match (id, kind) {
                (_, 0) => return Some(children),
                (NUM_CHILDREN, 5) => {
                    let zigzag = self.varint()?;
                    children = if zigzag & 1 == 0 { zigzag >> 1 } else { 0 };
                }
                _ => self.skip(kind, 0)?,
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The type of the next field, 0 at the end; its number is put into `id`.
    fn field(&mut self, id: &mut i16) -> Option<u8> {
        let byte = self.byte()?;
        let (delta, kind) = (i16::from(byte >> 4), byte & 15);
        if kind == 0 {
            return Some(0);
        }
        if delta > 0 {
            *id = id.checked_add(delta)?;
        } else {
            let zigzag = i64::try_from(self.varint()? >> 1).ok()?;
            *id = i16::try_from(zigzag).ok()?;
        }
        Some(kind)
    }

    /// The length of a list, and the type of its values.
    fn list(&mut self) -> Option<(u64, u8)> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        Some((count, byte & 15))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth > VALUES_DEEP_MAX {
            return None;
        }
        match kind {
            // Truth values that are fields are their type.
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => self.rest = self.rest.get(8..)?,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.rest = self.rest.get(length..)?;
            }
            9 | 10 => {
                let (count, kind) = self.list()?;
                for _ in 0..count {
                    // In lists they take a byte.
                    let kind = if matches!(kind, 1 | 2) { 3 } else { kind };
                    self.skip(kind, depth + 1)?;
                }
            }
            12 => {
                let mut id = 0;
                loop {
                    match self.field(&mut id)? {
                        0 => break,
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }
}
