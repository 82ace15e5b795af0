//! Compressed objects: whole, growing, cut, damaged, hostile.

use flate2::{Compression, write::GzEncoder};

use super::*;

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// Lines that do not compress to nothing.
fn lines(count: u32) -> String {
    (0..count).map(|n| format!("{n} {:08x}\n", n.wrapping_mul(2_654_435_761))).collect()
}

#[tokio::test]
async fn members_and_frames_are_read_through_whatever_the_name() {
    let content = lines(900);
    let (one, two) = content.split_at(6001);
    for (case, bytes) in [
        ("plain", content.as_bytes().to_vec()),
        ("gzip", gzip(content.as_bytes())),
        ("gzip of two members", [gzip(one.as_bytes()), gzip(two.as_bytes())].concat()),
        ("gzip with an empty member", [gzip(b""), gzip(content.as_bytes()), gzip(b"")].concat()),
        ("gzip with padding", [gzip(content.as_bytes()), vec![0; 700]].concat()),
        ("zstd", zstd(content.as_bytes())),
        ("zstd of two frames", [zstd(one.as_bytes()), zstd(two.as_bytes())].concat()),
        (
            "zstd behind a frame to skip",
            [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9], zstd(content.as_bytes()).as_slice()]
                .concat(),
        ),
    ] {
        for chunk_bytes in [7, 512, 1 << 20] {
            let rig = Rig::new().chunks_of(chunk_bytes);
            rig.write("a.log.txt", &bytes);
            let consumer = read_all(&rig).await;
            assert_eq!(consumer.faults, Vec::<String>::new(), "{case}");
            assert!(consumer.has(&content), "{case}, {chunk_bytes}");
        }
    }
}

#[tokio::test]
async fn chunks_are_never_larger_than_said() {
    let rig = Rig::new().chunks_of(1000);
    rig.write("a.gz", &gzip(&vec![b'x'; 300_000]));
    let mut source = rig.source(None);
    source.poll().await.unwrap();
    let mut total = 0;
    while let Some(chunk) = source.next(true).await.unwrap() {
        assert!(chunk.bytes.len() <= 1000);
        total += chunk.bytes.len();
    }
    assert_eq!(total, 300_000);
}

#[tokio::test]
async fn a_restart_inside_a_compressed_object_goes_on_at_the_record() {
    let content = lines(2000);
    for bytes in [gzip(content.as_bytes()), zstd(content.as_bytes())] {
        let rig = Rig::new().chunks_of(1000);
        rig.write("a", &bytes);
        let (consumer, processes) = read_by_restarts(&rig).await;
        assert!(processes > 10);
        assert!(consumer.has(&content));
    }
}

#[tokio::test]
async fn a_gzip_file_grows_by_members_and_by_pieces_of_members() {
    let content = lines(600);
    let bytes = content.as_bytes().chunks(1500).flat_map(gzip).collect::<Vec<u8>>();
    let rig = Rig::new().chunks_of(256);
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    rig.write("a.gz", b"");
    for piece in bytes.chunks(333) {
        rig.append("a.gz", piece);
        consumer.round(&mut source, false).await;
    }
    assert!(consumer.has(&content));
    assert_eq!(consumer.faults, Vec::<String>::new());
    rig.settle();
    consumer.round(&mut source, false).await;
    assert_eq!(source.poll().await.unwrap(), 0);
    assert_eq!(consumer.records.len(), 600);
}

#[tokio::test]
async fn a_stream_that_ends_early_is_paused_first_and_broken_once_it_is_settled() {
    for (format, bytes) in
        [("gzip", gzip(lines(500).as_bytes())), ("zstd", zstd(lines(500).as_bytes()))]
    {
        let rig = Rig::new();
        rig.write("a", &bytes[..bytes.len() - 5]);
        let (mut source, mut consumer) = (rig.source(None), Consumer::default());
        consumer.round(&mut source, false).await;
        assert_eq!(consumer.faults, Vec::<String>::new());
        let before = consumer.records.len();
        rig.settle();
        consumer.round(&mut source, false).await;
        assert_eq!(consumer.faults.len(), 1, "{format}");
        assert!(
            consumer.faults[0].starts_with(&format!(
                "error[DAB0406]: {format} stream ends early\n  --> file:in/a, compressed byte {}",
                bytes.len() - 5
            )),
            "{}",
            consumer.faults[0]
        );
        assert!(consumer.records.len() >= before, "{format}: what is good is delivered");
        assert_eq!(source.poll().await.unwrap(), 0, "it is not read again and again");
        // The rest arrives after all.
        rig.append("a", &bytes[bytes.len() - 5..]);
        consumer.round(&mut source, true).await;
        assert_eq!(consumer.faults.len(), 1);
        assert_eq!(consumer.records.last().unwrap().3, lines(500).lines().last().unwrap());
    }
}

#[tokio::test]
async fn everything_before_the_damage_is_delivered() {
    let content = lines(20_000);
    let good = gzip(content.as_bytes());
    let mut bad_crc = good.clone();
    let at = bad_crc.len() - 8;
    bad_crc[at] ^= 1;
    let mut bad_length = good.clone();
    let at = bad_length.len() - 1;
    bad_length[at] ^= 1;
    let garbage = [good.as_slice(), b"garbage"].concat();
    for (case, bytes) in [("CRC", bad_crc), ("length", bad_length), ("after", garbage)] {
        let rig = Rig::new().chunks_of(4096);
        rig.write("a.gz", &bytes);
        let consumer = read_all(&rig).await;
        assert_eq!(consumer.faults.len(), 1);
        assert!(consumer.faults[0].starts_with("error[DAB0407]: gzip stream is damaged"));
        assert!(consumer.faults[0].contains(case), "{}", consumer.faults[0]);
        assert!(consumer.has(&content), "{case}");
    }
}

#[tokio::test]
async fn damage_in_a_zstd_stream_keeps_what_was_before() {
    let content = lines(30_000);
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content.as_bytes()).unwrap();
    let good = encoder.finish().unwrap();
    let mut flipped = good.clone();
    let at = flipped.len() - 2;
    flipped[at] ^= 1;
    let garbage = [good.as_slice(), b"garbage"].concat();
    for bytes in [flipped, garbage] {
        let rig = Rig::new().chunks_of(10_000);
        rig.write("a.zst", &bytes);
        let consumer = read_all(&rig).await;
        assert_eq!(consumer.faults.len(), 1);
        assert!(consumer.faults[0].starts_with("error[DAB0407]: zstd stream is damaged"));
        assert!(consumer.has(&content));
    }
}

#[tokio::test]
async fn a_bomb_is_stopped_at_the_limit() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..8 {
        encoder.write_all(&vec![b'\n'; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let mut rig = Rig::new().chunks_of(1 << 16);
    rig.settings.decompression_ratio_max = 100;
    rig.settings.decompressed_bytes_free = 1 << 18;
    rig.write("bomb.gz", &bomb);
    rig.write("fine.gz", &gzip(b"fine"));
    let (mut source, mut total, mut faults) = (rig.source(None), 0, Vec::new());
    let mut consumer = Consumer::default();
    source.poll().await.unwrap();
    while let Some(chunk) = source.next(true).await.unwrap() {
        total += chunk.bytes.len();
        assert!(chunk.bytes.len() <= 1 << 16);
        if chunk.object.path() == "fine.gz" {
            consumer.take(&mut source, &chunk);
        } else if let End::Broken(fault) = &chunk.end {
            faults.push(fault.report.clone());
            let end = chunk.offset + chunk.bytes.len() as u64;
            source.advance(&chunk.object, end, Value::Null);
        }
    }
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].code, "DAB0408");
    assert!(total < 1 << 19, "{total}: soon after the limit, not all of it");
    assert_eq!(consumer.texts(), ["fine"]);
    assert_eq!(source.poll().await.unwrap(), 0);

    rig.settings.decompressed_bytes_free = u64::MAX;
    rig.settings.decompressed_bytes_max = 3 << 20;
    let consumer = read_all(&rig).await;
    assert!(consumer.faults[0].contains("DAB0408"), "{:?}", consumer.faults);
}

#[tokio::test]
async fn a_settled_object_is_not_unpacked_again_to_be_completed() {
    let rig = Rig::new();
    rig.write("a.gz", &gzip(b"one\ntwo\n"));
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, false).await;
    assert_eq!(consumer.texts(), ["one", "two"]);
    // Another process completes it, without reading.
    let mut source = rig.source(Some(&source.checkpoint()));
    rig.settle();
    source.poll().await.unwrap();
    fs::remove_file(rig.path("a.gz")).unwrap();
    let chunk = source.next(false).await.unwrap().unwrap();
    assert!(matches!(chunk.end, End::Complete) && chunk.bytes.is_empty());
    assert_eq!((chunk.offset, chunk.resume.clone()), (8, Some(json!({"at": 8}))));
}
