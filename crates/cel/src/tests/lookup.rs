//! Lookup tables, from files of our own making.

use std::{fs, path::Path, sync::Arc, time::Duration};

use base::{Explain as _, Object, Timestamp};

use super::{defined, sign_in};
use crate::{CelValue, EvalError, Program, Refreshed, Tables};

const DECLARATIONS: &str = "
lookups:
  - {name: mac_vendors, file: macs.csv, key: prefix, kind: mac}
  - {name: ip_country, file: net.csv, key: network, kind: network, columns: {country: cc}}
  - {name: ip_asn, file: asn.mmdb, columns: {asn: autonomous_system_number}}
  - {name: user_groups, file: groups.json, key: user, kind: caseless}
  - name: tor_exits
    file: tor.ndjson
    key: ip
    valid_from: seen
    valid_until: gone
";

fn write(root: &Path) {
    let files: [(&str, &[u8]); 5] = [
        ("macs.csv", b"prefix,vendor\n02-00-00,Example\n0200001,Example Labs\n"),
        ("net.csv", b"network,cc,note\n10.0.0.0/8,AA,\"a, b\"\n10.1.0.0/16,BB,\n2001:db8::/32,CC,\n"),
        ("groups.json", br#"[{"user": "Root", "groups": ["wheel", "adm"]}]"#),
        (
            "tor.ndjson",
            b"{\"ip\":\"10.1.2.3\",\"seen\":\"1970-01-01T00:00:00Z\",\"gone\":\"1980-01-01T00:00:00Z\",\"nick\":\"old\"}\n\n\
              {\"ip\":\"10.1.2.3\",\"seen\":\"2020-01-01T00:00:00Z\",\"gone\":null,\"nick\":\"new\"}\n",
        ),
        ("asn.mmdb", &mmdb()),
    ];
    for (name, content) in files {
        fs::write(root.join(name), content).unwrap();
    }
}

/// A database of one IPv4 network, 10.0.0.0/8, in the format of MMDB 2.0.
fn mmdb() -> Vec<u8> {
    fn text(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        let control = if length < 29 { vec![0x40 | length] } else { vec![0x40 | 29, length - 29] };
        [control, text.as_bytes().to_vec()].concat()
    }
    fn number(kind: u8, number: u64, bytes: usize) -> Vec<u8> {
        let size = u8::try_from(bytes).unwrap();
        let control = if kind > 7 { vec![size, kind - 7] } else { vec![kind << 5 | size] };
        [control, number.to_be_bytes()[8 - bytes..].to_vec()].concat()
    }
    // Eight nodes for the bits of 10 (00001010); every other branch is empty (the node count).
    let mut tree = Vec::new();
    for node in 0..8_u32 {
        let bit = 10_u32 >> (7 - node) & 1;
        let next = if node == 7 { 8 + 16 } else { node + 1 };
        let (left, right) = if bit == 0 { (next, 8) } else { (8, next) };
        for record in [left, right] {
            tree.extend_from_slice(&record.to_be_bytes()[1..]);
        }
    }
    let data = [vec![0xe1], text("autonomous_system_number"), number(6, 64512, 4)].concat();
    let metadata = [
        vec![0xe9],
        [text("binary_format_major_version"), number(5, 2, 2)].concat(),
        [text("binary_format_minor_version"), number(5, 0, 2)].concat(),
        [text("build_epoch"), number(9, 1_700_000_000, 8)].concat(),
        [text("database_type"), text("Example-ASN")].concat(),
        [text("description"), vec![0xe1], text("en"), text("An example")].concat(),
        [text("ip_version"), number(5, 4, 2)].concat(),
        [text("languages"), vec![0x01, 0x04], text("en")].concat(),
        [text("node_count"), number(6, 8, 4)].concat(),
        [text("record_size"), number(5, 24, 2)].concat(),
    ]
    .concat();
    let marker = b"\xab\xcd\xefMaxMind.com".to_vec();
    [tree, vec![0; 16], data, marker, metadata].concat()
}

fn tables() -> (tempfile::TempDir, Arc<Tables>) {
    let root = tempfile::tempdir().unwrap();
    write(root.path());
    let specs = defined(DECLARATIONS);
    let (tables, problems) = Tables::open(root.path(), specs, Timestamp::default());
    assert_eq!(problems, []);
    (root, Arc::new(tables))
}

#[test]
fn expressions_ask_tables() {
    let (_root, tables) = tables();
    for source in [
        "mac.vendor('02:00:00:aa:bb:cc') == 'Example'",
        "mac.vendor('0200.001a.bbcc') == 'Example Labs'",
        "ip.country(source.ip) == 'BB' && ip.country('10.2.0.1') == 'AA'",
        "ip.country('2001:db8::1') == 'CC' && ip.country('::ffff:10.2.0.1') == 'AA'",
        "ip.country(ip('10.2.0.1')) == 'AA'",
        "ip.asn(source.ip) == 64512",
        "'wheel' in user.groups('ROOT') && user.groups(user.name).size() == 2",
        "list.contains('tor_exits', source.ip) && !list.contains('tor_exits', '10.9.9.9')",
        // The event is of 1970.
        "lookup('tor_exits', source.ip).nick == 'old'",
        "lookup('tor_exits', '10.9.9.9').?nick.orValue('none') == 'none'",
        "has(lookup('tor_exits', source.ip).nick) && !has(lookup('tor_exits', 'x').nick)",
        "!(ip.country('192.0.2.1') == 'AA') || true",
        "groups.exists(g, list.contains('user_groups', g)) == false",
    ] {
        let program = Program::compile_with(source, Arc::clone(&tables) as _).expect(source);
        assert_eq!(program.matches(&sign_in()), Ok(true), "{source}");
    }
    let program = Program::compile_with("ip.country('192.0.2.1') == 'AA'", tables as _).unwrap();
    let error = program.matches(&sign_in()).unwrap_err();
    assert!(matches!(error, EvalError::NoSuchRow { .. }), "{error}");
    assert_eq!(error.to_string(), "the lookup table `ip_country` has no row for `192.0.2.1`");
}

#[test]
fn without_an_event_the_last_row_counts() {
    let (_root, tables) = tables();
    let source = "lookup('tor_exits', '10.1.2.3').nick";
    let program = Program::compile_with(source, tables as _).unwrap();
    let bindings = Object::new();
    assert_eq!(program.evaluate(&bindings), Ok(CelValue::Text("new".into())));
}

#[test]
fn a_table_that_is_not_there_is_a_mistake_of_the_expression() {
    let (_root, tables) = tables();
    for (source, expected) in [
        ("a == 1 && list.contains('tor_exit', ip)", "did you mean `tor_exits`?"),
        ("lookup(a, b).c == 1", "write `lookup(\"table\", key)`"),
    ] {
        let error = Program::compile_with(source, Arc::clone(&tables) as _).expect_err(source);
        assert_eq!(error.help().as_deref(), Some(expected), "{error}");
    }
}

#[test]
fn a_file_that_changes_replaces_its_table() {
    let (root, tables) = tables();
    let program =
        Program::compile_with("ip.country(source.ip) == 'DD'", Arc::clone(&tables) as _).unwrap();
    assert_eq!(program.matches(&sign_in()), Ok(false));
    let before = tables.version("ip_country").unwrap();
    let later = Timestamp::default().plus(Duration::from_secs(300));
    fs::write(root.path().join("net.csv"), "network,cc\n10.0.0.0/8,DD\n").unwrap();
    assert_eq!(tables.refresh(Timestamp::default()), [], "nothing is due yet");
    let refreshed = tables.refresh(later);
    assert_eq!(refreshed.len(), 5);
    let changed: Vec<_> =
        refreshed.iter().filter(|(_, outcome)| *outcome != Refreshed::Unchanged).collect();
    let after = tables.version("ip_country").unwrap();
    let replaced = Refreshed::Replaced { version: after, rows: 1 };
    assert_eq!(changed, [&("ip_country".to_owned(), replaced)]);
    assert_ne!(before, after);
    assert_eq!(program.matches(&sign_in()), Ok(true));
    // A broken file leaves the table as it was, and says so.
    fs::write(root.path().join("net.csv"), "network,cc\n10.0.0.0/99,EE\n").unwrap();
    let refreshed = tables.refresh(later.plus(Duration::from_secs(300)));
    let kept = refreshed.iter().find(|(name, _)| name == "ip_country").unwrap();
    assert!(matches!(&kept.1, Refreshed::Kept(error) if error.code().0 == "DAB0282"), "{kept:?}");
    assert_eq!(program.matches(&sign_in()), Ok(true));
}

#[test]
fn says_what_is_wrong_with_a_file() {
    let root = tempfile::tempdir().unwrap();
    for (declaration, content, expected) in [
        ("file: a.csv, key: k", "k,v\na,b\nc\n", "DAB0282 a.csv:3"),
        ("file: a.csv, key: x", "k,v\na,b\n", "DAB0282 a.csv:2"),
        ("file: a.csv, key: k, kind: network", "k\n10.0.0.0/8\nx\n", "DAB0282 a.csv:3"),
        ("file: a.csv, key: k, kind: mac", "k\nzz\n", "DAB0282 a.csv:2"),
        ("file: a.csv, key: k, valid_from: v", "k,v\na,noon\n", "DAB0282 a.csv:2"),
        ("file: a.json, key: k", "{}", "DAB0282 a.json:1"),
        ("file: a.json, key: k", "[1]", "DAB0282 a.json:1"),
        ("file: a.ndjson, key: k", "{\"k\":1}\n{", "DAB0282 a.ndjson:2"),
        ("file: a.mmdb", "not one", "DAB0282 a.mmdb:1"),
        ("file: b.csv, key: k", "", "DAB0281 b.csv:1"),
    ] {
        let name = declaration.split(['.', ',']).nth(1).unwrap();
        fs::write(root.path().join(format!("a.{name}")), content).unwrap();
        let text = format!("lookups: [{{name: t, {declaration}}}]");
        let specs = defined(&text);
        let (_, problems) = Tables::open(root.path(), specs, Timestamp::default());
        let Some(base::Place::File { path, line, .. }) = problems[0].place() else { panic!() };
        let file = Path::new(&path).file_name().unwrap().to_string_lossy();
        assert_eq!(format!("{} {file}:{line}", problems[0].code().0), expected, "{content}");
    }
}
