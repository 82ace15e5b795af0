//! Windows event logs and Parquet files, as anyone may post them: neither reader panics, and all that comes
//! out are whole lines.
//!
//! The first byte chooses the format; the magic of it is put in front, and, of an event log, room for its
//! header.

#![no_main]

use dab_collect::{body_as_text, is_binary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [choice, body @ ..] = bytes else { return };
    let file = match choice % 3 {
        0 => [b"PAR1", body, b"PAR1"].concat(),
        1 => {
            let mut file = b"ElfFile\0".to_vec();
            file.resize(4096, 0);
            file.extend_from_slice(b"ElfChnk\0");
            file.extend_from_slice(body);
            file.resize(4096 + 65536, 0);
            file
        }
        _ => body.to_vec(),
    };
    let was_binary = is_binary(&file);
    let Ok(text) = body_as_text(file.into()) else { return };
    assert!(!was_binary || text.is_empty() || text.ends_with(b"\n"));
});
