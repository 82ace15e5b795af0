//! The decompressors against the ones of `flate2` and `zstd`, on good and on bad streams.

use std::io::{Read as _, Write as _};

use flate2::{Compression, GzBuilder, read::MultiGzDecoder};
use proptest::{collection::vec, prelude::*};

use super::*;

/// Feeds `input` in pieces of `step` into outputs of `room` bytes.
fn unpack(mut decompressor: Decompressor, input: &[u8], step: usize, room: usize) -> Outcome {
    let mut bytes = Vec::new();
    let mut out = vec![0; room];
    for piece in input.chunks(step) {
        let mut piece = piece;
        loop {
            let progress = decompressor.run(piece, &mut out);
            piece = &piece[progress.read..];
            bytes.extend_from_slice(&out[..progress.written]);
            if progress.damage.is_some() {
                return Outcome { bytes, damage: progress.damage, is_between: false };
            }
            if progress.written < out.len() {
                assert!(piece.is_empty(), "with room left, all input is taken");
                break;
            }
        }
    }
    Outcome { bytes, damage: None, is_between: decompressor.is_between() }
}

#[derive(Debug)]
struct Outcome {
    bytes: Vec<u8>,
    damage: Option<String>,
    is_between: bool,
}

fn zstd_decompressor() -> Decompressor {
    Decompressor::zstd(limits::ZSTD_WINDOW_LOG_MAX).unwrap()
}

/// A member with every optional part of the header.
fn gzip_member(bytes: &[u8], parts: u8) -> Vec<u8> {
    let mut builder = GzBuilder::new();
    if parts & 1 != 0 {
        builder = builder.extra(vec![7; usize::from(parts)]);
    }
    if parts & 2 != 0 {
        builder = builder.filename("name.log");
    }
    if parts & 4 != 0 {
        builder = builder.comment("a comment");
    }
    let mut encoder = builder.write(Vec::new(), Compression::new(u32::from(parts % 10)));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_header_with_its_own_checksum_is_checked() {
    let plain = gzip_member(b"text", 6);
    let header_length = 10 + "name.log\0".len() + "a comment\0".len();
    let mut header = plain[..header_length].to_vec();
    header[3] |= FLAG_HEADER_CRC;
    let mut crc = Crc::new();
    crc.update(&header);
    let sum = crc.sum().to_le_bytes();
    let good = [&header, &sum[..2], &plain[header_length..]].concat();
    let outcome = unpack(Decompressor::gzip(), &good, 3, 10);
    assert_eq!((outcome.bytes.as_slice(), outcome.is_between), (&b"text"[..], true));
    let bad = [header.as_slice(), &[sum[0], !sum[1]], &plain[header_length..]].concat();
    let outcome = unpack(Decompressor::gzip(), &bad, 3, 10);
    assert_eq!(outcome.damage.as_deref(), Some("a member's header does not match its checksum"));
}

#[test]
fn a_header_without_end_is_damage() {
    let mut bytes = vec![0x1f, 0x8b, 8, FLAG_NAME, 0, 0, 0, 0, 0, 3];
    bytes.resize(limits::GZIP_HEADER_BYTES_MAX + 100, b'n');
    let outcome = unpack(Decompressor::gzip(), &bytes, 1000, 100);
    assert_eq!(outcome.damage.as_deref(), Some("a member's header has no end"));
}

#[test]
fn headers_of_other_kinds_are_damage() {
    for (bytes, damage) in [
        (&[0x1f, 0x8b, 7][..], "compression method 7 is not deflate"),
        (&[0x1f, 0x8b, 8, 0x20], "a member's header has reserved flags set"),
    ] {
        let outcome = unpack(Decompressor::gzip(), bytes, 1, 10);
        assert_eq!(outcome.damage.as_deref(), Some(damage));
    }
}

#[test]
fn a_zstd_window_beyond_the_limit_is_damage() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(24).unwrap();
    encoder.write_all(&vec![b'x'; 1 << 20]).unwrap();
    let bytes = encoder.finish().unwrap();
    assert!(unpack(Decompressor::zstd(23).unwrap(), &bytes, 999, 999).damage.is_some());
    assert_eq!(unpack(Decompressor::zstd(24).unwrap(), &bytes, 999, 999).bytes.len(), 1 << 20);
}

#[test]
fn formats_are_told_by_their_first_bytes() {
    for (head, format) in [
        (&b""[..], Some(Format::Plain)),
        (b"{", Some(Format::Plain)),
        (&[0x1f], None),
        (&[0x1f, 0x8b], Some(Format::Gzip)),
        (&[0x1f, 0x8c], Some(Format::Plain)),
        (&[0x28, 0xb5, 0x2f], None),
        (&[0x28, 0xb5, 0x2f, 0xfd], Some(Format::Zstd)),
        (b"(abc", Some(Format::Plain)),
        (b"P", None),
        (b"PK\x03\x04", Some(Format::Plain)),
        (&[0x5f, 0x2a, 0x4d, 0x18], Some(Format::Zstd)),
    ] {
        assert_eq!(Format::of(head), format, "{head:?}");
    }
}

proptest! {
    #[test]
    fn whatever_the_pieces_the_bytes_are_the_same(
        members in vec((vec(0_u8..4, 0..3000), 0_u8..8), 1..4),
        step in 1_usize..200,
        room in 1_usize..200,
    ) {
        let content = members.iter().flat_map(|(bytes, _)| bytes.clone()).collect::<Vec<_>>();
        let gzip = members.iter().flat_map(|(bytes, parts)| gzip_member(bytes, *parts)).collect::<Vec<_>>();
        let zstd = members
            .iter()
            .flat_map(|(bytes, level)| zstd::encode_all(bytes.as_slice(), i32::from(*level)).unwrap())
            .collect::<Vec<_>>();
        for (decompressor, input) in [(Decompressor::gzip(), &gzip), (zstd_decompressor(), &zstd)] {
            let outcome = unpack(decompressor, input, step, room);
            prop_assert_eq!(outcome.damage, None);
            prop_assert!(outcome.is_between);
            prop_assert_eq!(&outcome.bytes, &content);
        }
    }

    #[test]
    fn a_stream_cut_anywhere_gives_a_beginning_and_is_not_whole(
        content in vec(0_u8..4, 1..3000),
        cut in any::<prop::sample::Index>(),
        step in 1_usize..200,
    ) {
        let gzip = gzip_member(&content, 7);
        let zstd = zstd::encode_all(content.as_slice(), 3).unwrap();
        for (decompressor, input) in [(Decompressor::gzip(), &gzip), (zstd_decompressor(), &zstd)] {
            let at = 1 + cut.index(input.len() - 1);
            let outcome = unpack(decompressor, &input[..at], step, 77);
            prop_assert_eq!(outcome.damage, None);
            prop_assert!(!outcome.is_between);
            prop_assert!(content.starts_with(&outcome.bytes));
        }
    }

    #[test]
    fn damaged_streams_are_refused_exactly_when_flate2_refuses_them(
        content in vec(0_u8..4, 0..500),
        flips in vec((any::<prop::sample::Index>(), 1_u8..), 1..3),
    ) {
        let mut gzip = gzip_member(&content, 3);
        for (index, bits) in flips {
            // The flags are left alone: flate2 ignores the reserved ones.
            let at = index.index(gzip.len());
            if at != 3 {
                gzip[at] ^= bits;
            }
        }
        let mut expected = Vec::new();
        let result = MultiGzDecoder::new(gzip.as_slice()).read_to_end(&mut expected);
        let outcome = unpack(Decompressor::gzip(), &gzip, 13, 57);
        prop_assert_eq!(outcome.damage.is_none() && outcome.is_between, result.is_ok());
        if result.is_ok() {
            prop_assert_eq!(outcome.bytes, expected);
        }
    }

    #[test]
    fn garbage_is_no_panic(bytes in vec(any::<u8>(), 0..300), step in 1_usize..50) {
        for magic in [&[0x1f, 0x8b, 8][..], &[0x28, 0xb5, 0x2f, 0xfd], &[]] {
            let input = [magic, &bytes].concat();
            unpack(Decompressor::gzip(), &input, step, 33);
            unpack(zstd_decompressor(), &input, step, 33);
        }
    }
}
