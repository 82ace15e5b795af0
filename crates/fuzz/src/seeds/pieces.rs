//! Pieces of files that are inputs by themselves.

use std::io;

use super::{Places, files::Folder};

/// The first lines that say something.
pub(super) fn lines(text: &str, count: usize) -> Vec<Vec<u8>> {
    text.lines()
        .filter(|line| line.len() > 2)
        .take(count)
        .map(|line| line.as_bytes().to_vec())
        .collect()
}

/// Each of these with each choice as its first byte.
pub(super) fn choices(choices: &[u8], inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let each = |input: &Vec<u8>| {
        choices.iter().map(|choice| [&[*choice], input.as_slice()].concat()).collect::<Vec<_>>()
    };
    inputs.iter().flat_map(each).collect()
}

/// The blocks of code in the documentation that are marked as this language.
pub(super) fn fenced(places: &Places, language: &str) -> io::Result<Vec<Vec<u8>>> {
    let pages = Folder::of(&places.root, "docs")?;
    let mut found = Vec::new();
    for (_, page) in pages.texts(".md") {
        // Every second part is between fences.
        for block in page.split("\n```").skip(1).step_by(2) {
            if let Some(code) =
                block.strip_prefix(language).and_then(|code| code.strip_prefix('\n'))
            {
                found.push(format!("{code}\n").into_bytes());
            }
        }
    }
    Ok(found)
}

/// The values of a key in JSON text that are texts.
pub(super) fn strings(json: &str, key: &str) -> Vec<Vec<u8>> {
    let marked = format!("\"{key}\": ");
    let values = json.split(&marked).skip(1).filter_map(|rest| {
        serde_json::Deserializer::from_str(rest).into_iter::<String>().next()?.ok()
    });
    values.filter(|text| !text.is_empty()).map(String::into_bytes).collect()
}

/// The CEL expressions in a detection's file: the line or the indented lines after `cel:`.
pub(super) fn expressions(yaml: &str) -> Vec<Vec<u8>> {
    let found = yaml.split("\ncel:").skip(1).map(|rest| {
        let rest = rest.trim_start_matches([' ', '|', '>', '-']);
        let mut lines = rest.lines();
        let first = lines.next().unwrap_or_default();
        let more = lines.take_while(|line| line.starts_with(' ')).map(str::trim);
        std::iter::once(first).chain(more).collect::<Vec<_>>().join("\n").trim().as_bytes().to_vec()
    });
    found.filter(|found| !found.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_pieces_out() {
        let yaml = "title: x\ncel: |\n  a == 1 &&\n  b\nlevel: high\n";
        assert_eq!(expressions(yaml), [b"a == 1 &&\nb".to_vec()]);
        assert_eq!(expressions("title: x\ncel: a.b\n"), [b"a.b".to_vec()]);
        assert_eq!(strings(r#"[{"log": "a\nb"}, {"log": 1}]"#, "log"), [b"a\nb".to_vec()]);
        assert_eq!(choices(&[1, 2], &[b"x".to_vec()]), [b"\x01x".to_vec(), b"\x02x".to_vec()]);
        assert_eq!(lines("\nabc\n\ndef\nghi", 2), [b"abc".to_vec(), b"def".to_vec()]);
    }
}
