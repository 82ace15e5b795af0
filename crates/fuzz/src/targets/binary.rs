//! Windows event logs and Parquet files, as anyone may post them: neither reader panics, and all that comes
//! out are whole lines.
//!
//! The first byte chooses the format; the magic of it is put in front, and, of an event log, room for its
//! header.

use ::collect::{body_as_text, is_binary};

/// Takes one input.
pub fn binary(bytes: &[u8]) {
    let [choice, body @ ..] = bytes else { return };
    let file = match choice % 4 {
        0 => [b"PAR1", body, b"PAR1"].concat(),
        kind @ (1 | 2) => event_log(body, kind == 1),
        _ => body.to_vec(),
    };
    let was_binary = is_binary(&file);
    let Ok(text) = body_as_text(file.into()) else { return };
    assert!(!was_binary || text.is_empty() || text.ends_with(b"\n"));
}

/// A log with one chunk, whole or cut off.
fn event_log(body: &[u8], is_whole: bool) -> Vec<u8> {
    const HEADER_BYTES: usize = 4096;
    const CHUNK_BYTES: usize = 65536;
    let parts =
        [(0, b"ElfFile\0".as_slice()), (HEADER_BYTES, b"ElfChnk\0"), (HEADER_BYTES + 8, body)];
    let length = if is_whole { CHUNK_BYTES } else { body.len() + 8 };
    let mut file = vec![0; HEADER_BYTES + length];
    for (at, part) in parts {
        for (to, byte) in file.iter_mut().skip(at).zip(part) {
            *to = *byte;
        }
    }
    file
}
