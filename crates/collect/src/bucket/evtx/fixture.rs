//! Writes event logs, for tests: the other way round than what is tested, by the same documents.

use std::collections::HashMap;

use super::chunk::sum_of;

/// What stands in an element or attribute.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Text(String),
    Value { number: u16, is_optional: bool },
    Element(Element),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// The number of the value that it depends on.
    pub(crate) depends_on: Option<u16>,
    pub(crate) attributes: Vec<(String, Node)>,
    pub(crate) content: Vec<Node>,
}

/// A value's type and bytes.
pub(crate) type Typed = (u8, Vec<u8>);

/// A template, and what is put into it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) template: Element,
    pub(crate) values: Vec<Typed>,
}

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A file of these records, numbered from 1, so many in each chunk at most.
pub(crate) fn file(records: &[Record], per_chunk: usize) -> Vec<u8> {
    let mut chunks: Vec<Writer> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let number = index as u64 + 1;
        let is_full = |chunk: &Writer| chunk.records.len() >= per_chunk;
        if chunks.last().is_none_or(is_full) {
            chunks.push(Writer::new());
        }
        if !chunks.last_mut().unwrap().try_record(number, record) {
            let mut chunk = Writer::new();
            assert!(chunk.try_record(number, record), "a record fits into a chunk");
            chunks.push(chunk);
        }
    }
    let mut header = vec![0; 4096];
    header[..8].copy_from_slice(b"ElfFile\0");
    header[16..24].copy_from_slice(&(chunks.len().max(1) as u64 - 1).to_le_bytes());
    header[24..32].copy_from_slice(&(records.len() as u64 + 1).to_le_bytes());
    header[32..36].copy_from_slice(&128_u32.to_le_bytes());
    header[36..40].copy_from_slice(&[1, 0, 3, 0]);
    header[40..42].copy_from_slice(&4096_u16.to_le_bytes());
    header[42..44].copy_from_slice(&u16::try_from(chunks.len()).unwrap().to_le_bytes());
    let sum = sum_of(&[&header[..120]]);
    header[124..128].copy_from_slice(&sum.to_le_bytes());
    chunks.into_iter().fold(header, |mut file, chunk| {
        file.extend_from_slice(&chunk.finish());
        file
    })
}

#[derive(Clone)]
struct Writer {
    bytes: Vec<u8>,
    names: HashMap<String, u32>,
    templates: HashMap<String, u32>,
    records: Vec<u64>,
    last_at: usize,
}

impl Writer {
    fn new() -> Self {
        let (names, templates) = (HashMap::new(), HashMap::new());
        Self { bytes: vec![0; 512], names, templates, records: Vec::new(), last_at: 512 }
    }

    fn try_record(&mut self, number: u64, record: &Record) -> bool {
        let mut tried = self.clone();
        tried.record(number, record);
        let fits = tried.bytes.len() <= 65536;
        if fits {
            *self = tried;
        }
        fits
    }

    fn record(&mut self, number: u64, record: &Record) {
        let at = self.bytes.len();
        self.last_at = at;
        self.bytes.extend_from_slice(&[0x2a, 0x2a, 0, 0, 0, 0, 0, 0]);
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.extend_from_slice(&133_500_000_000_000_000_u64.to_le_bytes());
        self.bytes.extend_from_slice(&[0x0f, 1, 1, 0]);
        self.instance(&record.template, &record.values);
        self.bytes.push(0);
        let size = u32::try_from(self.bytes.len() + 4 - at).unwrap().to_le_bytes();
        self.bytes.extend_from_slice(&size);
        self.bytes[at + 4..at + 8].copy_from_slice(&size);
        self.records.push(number);
    }

    fn instance(&mut self, template: &Element, values: &[Typed]) {
        let key = format!("{template:?}");
        let known = self.templates.get(&key).copied();
        self.bytes.extend_from_slice(&[0x0c, 1, 7, 0, 0, 0]);
        let here = u32::try_from(self.bytes.len() + 4).unwrap();
        self.bytes.extend_from_slice(&known.unwrap_or(here).to_le_bytes());
        if known.is_none() {
            self.templates.insert(key, here);
            self.bytes.extend_from_slice(&[0; 4]);
            self.bytes.extend_from_slice(&[7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
            let size_at = self.bytes.len();
            self.bytes.extend_from_slice(&[0; 4]);
            self.bytes.extend_from_slice(&[0x0f, 1, 1, 0]);
            self.element(template);
            self.bytes.push(0);
            self.patch(size_at);
        }
        self.bytes.extend_from_slice(&u32::try_from(values.len()).unwrap().to_le_bytes());
        for (kind, bytes) in values {
            self.bytes.extend_from_slice(&u16::try_from(bytes.len()).unwrap().to_le_bytes());
            self.bytes.extend_from_slice(&[*kind, 0]);
        }
        for (_, bytes) in values {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Puts into four bytes how many are behind them.
    fn patch(&mut self, at: usize) {
        let size = u32::try_from(self.bytes.len() - at - 4).unwrap();
        self.bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }

    fn name(&mut self, name: &str) {
        let known = self.names.get(name).copied();
        let here = u32::try_from(self.bytes.len() + 4).unwrap();
        self.bytes.extend_from_slice(&known.unwrap_or(here).to_le_bytes());
        if known.is_some() {
            return;
        }
        self.names.insert(name.to_owned(), here);
        let hash = name
            .encode_utf16()
            .fold(0_u32, |hash, unit| hash.wrapping_mul(65599).wrapping_add(u32::from(unit)));
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&u16::try_from(hash & 0xffff).unwrap().to_le_bytes());
        self.bytes
            .extend_from_slice(&u16::try_from(name.encode_utf16().count()).unwrap().to_le_bytes());
        self.bytes.extend_from_slice(&utf16(name));
        self.bytes.extend_from_slice(&[0; 2]);
    }

    fn element(&mut self, element: &Element) {
        let more = if element.attributes.is_empty() { 0 } else { 0x40 };
        self.bytes.push(0x01 | more);
        self.bytes.extend_from_slice(&element.depends_on.unwrap_or(0xffff).to_le_bytes());
        let size_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.name(&element.name);
        if let Some(last) = element.attributes.len().checked_sub(1) {
            let list_at = self.bytes.len();
            self.bytes.extend_from_slice(&[0; 4]);
            for (index, (name, value)) in element.attributes.iter().enumerate() {
                self.bytes.push(if index == last { 0x06 } else { 0x46 });
                self.name(name);
                self.node(value);
            }
            self.patch(list_at);
        }
        if element.content.is_empty() {
            self.bytes.push(0x03);
        } else {
            self.bytes.push(0x02);
            element.content.iter().for_each(|node| self.node(node));
            self.bytes.push(0x04);
        }
        self.patch(size_at);
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Text(text) => {
                self.bytes.extend_from_slice(&[0x05, 0x01]);
                let units = u16::try_from(text.encode_utf16().count()).unwrap();
                self.bytes.extend_from_slice(&units.to_le_bytes());
                self.bytes.extend_from_slice(&utf16(text));
            }
            Node::Value { number, is_optional } => {
                self.bytes.push(if *is_optional { 0x0e } else { 0x0d });
                self.bytes.extend_from_slice(&number.to_le_bytes());
                self.bytes.push(0x01);
            }
            Node::Element(element) => self.element(element),
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let end = self.bytes.len();
        self.bytes.resize(65536, 0);
        let bytes = &mut self.bytes;
        bytes[..8].copy_from_slice(b"ElfChnk\0");
        for (at, number) in [(8, 0), (16, self.records.len() - 1)] {
            bytes[at..at + 8].copy_from_slice(&(self.records[number]).to_le_bytes());
            bytes[at + 16..at + 24].copy_from_slice(&(self.records[number]).to_le_bytes());
        }
        bytes[40..44].copy_from_slice(&128_u32.to_le_bytes());
        bytes[44..48].copy_from_slice(&u32::try_from(self.last_at).unwrap().to_le_bytes());
        bytes[48..52].copy_from_slice(&u32::try_from(end).unwrap().to_le_bytes());
        let sum = sum_of(&[&bytes[512..end]]);
        bytes[52..56].copy_from_slice(&sum.to_le_bytes());
        let sum = sum_of(&[&bytes[..120], &bytes[128..512]]);
        bytes[124..128].copy_from_slice(&sum.to_le_bytes());
        self.bytes
    }
}
