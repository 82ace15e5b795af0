//! What is written by the tests' own writer is read; what is damaged is told, and the rest read.

use base::{DAMAGE_MARK, read_damage};
use proptest::prelude::*;

use super::{
    fixture::{Element, Node, Record, Typed, file, utf16},
    *,
};

fn push(text: &mut Vec<u8>, bytes: &[u8]) -> bool {
    text.extend_from_slice(bytes);
    true
}

/// The lines of a file; notes as `! reason`.
fn lines(file: &[u8]) -> Vec<String> {
    let mut text = Vec::new();
    to_xml(file, |bytes| push(&mut text, bytes));
    text.split_inclusive(|byte| *byte == b'\n')
        .map(|line| match read_damage(line) {
            Some(reason) => format!("! {reason}"),
            None => String::from_utf8(line.strip_suffix(b"\n").unwrap().to_vec()).unwrap(),
        })
        .collect()
}

fn element(name: &str, attributes: Vec<(&str, Node)>, content: Vec<Node>) -> Element {
    let attributes = attributes.into_iter().map(|(name, node)| (name.to_owned(), node)).collect();
    Element { name: name.to_owned(), depends_on: None, attributes, content }
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

fn value(number: u16) -> Node {
    Node::Value { number, is_optional: true }
}

/// An event as Windows shapes it, with the data of `values`.
fn record(values: Vec<Typed>) -> Record {
    let data = (0..u16::try_from(values.len()).unwrap()).map(|number| {
        Node::Element(element(
            "Data",
            vec![("Name", text(&format!("d{number}")))],
            vec![value(number)],
        ))
    });
    let template = element("Event", vec![("xmlns", text("urn:e"))], data.collect());
    Record { template, values }
}

fn words(words: &[&str]) -> Vec<Record> {
    words.iter().map(|word| record(vec![(0x01, utf16(word))])).collect()
}

fn event(word: &str) -> String {
    format!("<Event xmlns=\"urn:e\"><Data Name=\"d0\">{word}</Data></Event>")
}

#[test]
fn every_type_is_written_as_windows_has_it() {
    let sid =
        [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 244, 1, 0, 0];
    let system_time = [0xea, 7, 11, 0, 2, 0, 24, 0, 8, 0, 9, 0, 10, 0, 11, 0];
    let cases: Vec<(Typed, &str)> = vec![
        ((0x00, vec![]), ""),
        ((0x01, utf16("a<b>&\"é\n😀\0")), "a&lt;b&gt;&amp;&quot;é&#10;😀"),
        ((0x01, [utf16("a"), vec![0, 0xd8], utf16("\0b")].concat()), "a\u{fffd}\u{fffd}b"),
        ((0x02, b"ansi\0".to_vec()), "ansi"),
        ((0x02, b"caf\xe9".to_vec()), "café"),
        ((0x03, vec![0xff]), "-1"),
        ((0x04, vec![0xff]), "255"),
        ((0x05, vec![0xfe, 0xff]), "-2"),
        ((0x06, vec![0xfe, 0xff]), "65534"),
        ((0x07, (-3_i32).to_le_bytes().to_vec()), "-3"),
        ((0x08, 4_000_000_000_u32.to_le_bytes().to_vec()), "4000000000"),
        ((0x09, i64::MIN.to_le_bytes().to_vec()), "-9223372036854775808"),
        ((0x0a, u64::MAX.to_le_bytes().to_vec()), "18446744073709551615"),
        ((0x0b, 1.5_f32.to_le_bytes().to_vec()), "1.5"),
        ((0x0c, 0.1_f64.to_le_bytes().to_vec()), "0.1"),
        ((0x0d, 1_u32.to_le_bytes().to_vec()), "true"),
        ((0x0e, vec![0, 0xab, 0x9f]), "00AB9F"),
        ((0x0f, (0..16).collect()), "{03020100-0504-0706-0809-0a0b0c0d0e0f}"),
        ((0x10, 255_u32.to_le_bytes().to_vec()), "0xff"),
        ((0x10, 256_u64.to_le_bytes().to_vec()), "0x100"),
        (
            (0x11, 133_769_088_001_234_567_u64.to_le_bytes().to_vec()),
            "2024-11-24T08:00:00.1234567Z",
        ),
        ((0x12, system_time.to_vec()), "2026-11-24T08:09:10.011Z"),
        ((0x13, sid.to_vec()), "S-1-5-21-1-2-3-500"),
        ((0x14, 0x1234_u32.to_le_bytes().to_vec()), "0x1234"),
        ((0x15, 0x8020_0000_0000_0000_u64.to_le_bytes().to_vec()), "0x8020000000000000"),
        ((0x81, utf16("x\0y\0\0")), "x|y|"),
        ((0x88, [1_u32.to_le_bytes(), 2_u32.to_le_bytes()].concat()), "1|2"),
        ((0x93, [sid, sid].concat()), "S-1-5-21-1-2-3-500|S-1-5-21-1-2-3-500"),
    ];
    for (typed, expected) in cases {
        let found = lines(&file(&[record(vec![typed.clone()])], 1));
        // An array repeats its element.
        let expected = expected.replace('|', "</Data><Data Name=\"d0\">");
        assert_eq!(found, [event(&expected)], "{typed:?}");
    }
}

#[test]
fn what_is_null_is_left_out_as_the_template_says() {
    let optional = Node::Value { number: 0, is_optional: true };
    let plain = Node::Value { number: 0, is_optional: false };
    let dependent = |name: &str| {
        let inner = element(name, vec![], vec![text("x")]);
        Node::Element(Element { depends_on: Some(0), ..inner })
    };
    let template = element(
        "Event",
        vec![],
        vec![
            Node::Element(element(
                "A",
                vec![("o", optional), ("p", plain), ("q", text("1"))],
                vec![],
            )),
            dependent("B"),
            Node::Element(element("C", vec![], vec![value(1), dependent("D"), value(7)])),
        ],
    );
    let found = |first: Typed| {
        let values = vec![first, (0x01, utf16("c"))];
        lines(&file(&[Record { template: template.clone(), values }], 1))
    };
    assert_eq!(found((0, vec![])), [r#"<Event><A p="" q="1"/><C>c</C></Event>"#]);
    assert_eq!(
        found((1, utf16("v"))),
        [r#"<Event><A o="v" p="v" q="1"/><B>x</B><C>c<D>x</D></C></Event>"#]
    );
}

#[test]
fn binary_xml_inside_of_a_value_is_part_of_the_event() {
    // Elements outside of templates do not say what they depend on, and their names stand with them.
    let mut inner = vec![0x0f, 1, 1, 0, 0x01, 0, 0, 0, 0];
    let values_at = |length: usize| {
        let probe = vec![0xee; length];
        let file = file(&[record(vec![(0x21, probe.clone())])], 1);
        file.windows(length).position(|window| window == probe).unwrap() - 4096
    };
    let name = utf16("I");
    let length = inner.len() + 4 + 8 + name.len() + 2 + 1 + 3 + 1 + utf16("v").len() + 1 + 1;
    let here = u32::try_from(values_at(length) + inner.len() + 4).unwrap();
    inner.extend_from_slice(&here.to_le_bytes());
    inner.extend_from_slice(&[0, 0, 0, 0, 0, 0, 1, 0]);
    inner.extend_from_slice(&name);
    inner.extend_from_slice(&[0, 0, 0x02, 0x05, 0x01, 1, 0]);
    inner.extend_from_slice(&utf16("v"));
    inner.extend_from_slice(&[0x04, 0x00]);
    assert_eq!(inner.len(), length);
    assert_eq!(lines(&file(&[record(vec![(0x21, inner)])], 1)), [event("<I>v</I>")]);
}

#[test]
fn damage_leaves_a_note_and_does_not_touch_the_rest() {
    let whole = file(&words(&["one", "two", "three", "four"]), 2);
    let (first, second) = (4096, 4096 + 65536);
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut file = whole.clone();
        change(&mut file);
        lines(&file)
    };
    let all = [event("one"), event("two"), event("three"), event("four")];
    assert_eq!(damaged(&|_| {}), all);
    // Allocated ahead, and not used.
    assert_eq!(damaged(&|file| file.extend_from_slice(&[0; 65536])), all);

    let found = damaged(&|file| file[first] = b'x');
    assert_eq!(found[0], "! chunk 0 of the file is none: it does not begin as one");
    assert_eq!(found[1..], all[2..]);

    // A token of the first record's template, which the second one uses as well.
    let token = whole.windows(4).position(|w| w == [0x0f, 1, 1, 0x00]).unwrap() + 4;
    assert_eq!(whole[token], 0x0c);
    let found = damaged(&|file| file[token] = 0x77);
    assert_eq!(found[0], "! record 1 in chunk 0: token 0x77 is not known");
    assert_eq!(found[1], event("two"));
    let sum =
        "! chunk 0: the checksum of its records does not match; 1 records were read all the same";
    assert_eq!(found[2], sum);
    assert_eq!(found[3..], all[2..]);

    // A record's length.
    let found = damaged(&|file| file[second + 512 + 4] ^= 1);
    assert!(
        found[2].starts_with("! bytes 512 to ") && found[2].ends_with("of chunk 1 are no record")
    );
    // Its template was in the record before, and its place is as good as ever.
    assert_eq!(found[3], event("four"));

    let found = damaged(&|file| file[second + 48] ^= 1);
    assert_eq!(found[..4], all);
    let sum =
        "! chunk 1: the checksum of its header does not match; 2 records were read all the same";
    assert_eq!(found[4..], [sum]);

    let four = utf16("four");
    let cut = whole.windows(four.len()).position(|window| window == four).unwrap();
    assert_eq!(damaged(&|file| file.truncate(cut)), all[..3], "what there is of a chunk is read");
}

#[test]
fn a_file_without_its_last_chunks_is_not_whole() {
    let whole = file(&words(&["one", "two", "three"]), 1);
    let is_whole = |file: &[u8]| to_xml(file, |_| true);
    assert!(is_whole(&whole));
    let cut = &whole[..whole.len() - 65536];
    assert!(!is_whole(cut));
    // One that Windows had open when it was copied may have fewer, or more.
    let mut open = cut.to_vec();
    open[120] = 1;
    assert!(is_whole(&open));
    let mut damaged = cut.to_vec();
    damaged[24] ^= 1;
    assert!(is_whole(&damaged), "a header that is damaged says nothing");
}

#[test]
fn hostile_templates_are_bounded() {
    // A template that has itself in it.
    let mut hostile = file(&words(&["x"]), 1);
    let at = 4096 + 512 + 24;
    let definition = u32::try_from(at - 4096 + 4 + 10).unwrap();
    let tokens = at + 4 + 10 + 24;
    hostile[tokens + 4] = 0x0c;
    hostile[tokens + 10..tokens + 14].copy_from_slice(&definition.to_le_bytes());
    let found = lines(&hostile);
    assert!(found[0].starts_with("! record 1 in chunk 0: "), "{found:?}");

    // A small array in an element with much text before it.
    let long = "y".repeat(10_000);
    let template = element("E", vec![("a", text(&long))], vec![value(0)]);
    let values = vec![(0x84, vec![1; 20_000])];
    let found = lines(&file(&[Record { template, values }], 1));
    assert_eq!(found, ["! record 1 in chunk 0: the event is too long"]);
}

#[derive(Debug, Clone)]
enum Tree {
    Text(String),
    Value(usize),
    Element(String, Vec<(String, String)>, Vec<Tree>),
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof!["\\PC{1,8}".prop_map(Tree::Text), (0..4_usize).prop_map(Tree::Value),];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let name = "[A-Za-z_][A-Za-z0-9_.-]{0,6}";
        let attributes = prop::collection::vec((name, "\\PC{0,6}"), 0..3);
        (name, attributes, prop::collection::vec(inner, 0..5))
            .prop_map(|(name, attributes, content)| Tree::Element(name, attributes, content))
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Tree {
    fn node(&self) -> Node {
        match self {
            Self::Text(text) => Node::Text(text.clone()),
            Self::Value(number) => value(u16::try_from(*number).unwrap()),
            Self::Element(name, attributes, content) => Node::Element(Element {
                name: name.clone(),
                depends_on: None,
                attributes: attributes.iter().map(|(k, v)| (k.clone(), text(v))).collect(),
                content: content.iter().map(Self::node).collect(),
            }),
        }
    }

    fn xml(&self, values: &[String]) -> String {
        match self {
            Self::Text(text) => escaped(text),
            Self::Value(number) => escaped(&values[*number]),
            Self::Element(name, attributes, content) => {
                let mut tag = format!("<{name}");
                for (name, value) in attributes {
                    tag += &format!(" {name}=\"{}\"", escaped(value));
                }
                if content.is_empty() {
                    return tag + "/>";
                }
                let inner: String = content.iter().map(|tree| tree.xml(values)).collect();
                format!("{tag}>{inner}</{name}>")
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        events in prop::collection::vec(
            (trees(), prop::collection::vec("\\PC{0,12}", 4)), 1..8,
        ),
        per_chunk in 1_usize..4,
    ) {
        let around = |tree: &Tree| Tree::Element("Event".to_owned(), vec![], vec![tree.clone()]);
        let records: Vec<Record> = events
            .iter()
            .map(|(tree, values)| {
                let Node::Element(template) = around(tree).node() else { panic!() };
                let values = values.iter().map(|value| (0x01, utf16(value))).collect();
                Record { template, values }
            })
            .collect();
        let expected: Vec<String> =
            events.iter().map(|(tree, values)| around(tree).xml(values)).collect();
        prop_assert_eq!(lines(&file(&records, per_chunk)), expected);
    }

    #[test]
    fn pieces_give_the_same_text(
        piece in 1_usize..70_000, room in 1_usize..5000, cut in 0_usize..131_073,
    ) {
        let mut whole = file(&words(&["one", "two", "three", "four"]), 2);
        whole.truncate(4096 + cut);
        let (mut evtx, mut found) = (Evtx::default(), Vec::new());
        let mut pieces = whole.chunks(piece);
        let mut rest: &[u8] = &[];
        loop {
            let mut buffer = vec![0; room];
            let progress = evtx.run(rest, &mut buffer);
            found.extend_from_slice(&buffer[..progress.written]);
            rest = &rest[progress.read..];
            if progress.written == room {
                continue;
            }
            prop_assert!(rest.is_empty(), "with room left, all is taken");
            match pieces.next() {
                Some(next) => rest = next,
                None if evtx.finish() => {}
                None => break,
            }
        }
        let mut expected = Vec::new();
        to_xml(&whole, |bytes| push(&mut expected, bytes));
        prop_assert_eq!(found, expected);
        prop_assert_eq!(evtx.is_between(), cut == 131_072);
    }

    #[test]
    fn any_damage_is_survived_and_leaves_lines(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let mut file = file(&words(&["one", "two", "three", "four"]), 4);
        file.truncate(4096 + 1200);
        for (at, byte) in changes {
            let at = 4096 + at.index(file.len() - 4096);
            file[at] = byte;
        }
        let mut text = Vec::new();
        to_xml(&file, |bytes| push(&mut text, bytes));
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            prop_assert!(line.ends_with(b"\n"));
            prop_assert!(line.starts_with(b"<") || line.starts_with(&DAMAGE_MARK));
        }
    }
}
