//! How fast records are framed, parsed and decoded, on one core.
//!
//! `cargo run --release -p dab-decode --example throughput -- LOG_SOURCE.yml FILE…` reads each file
//! into memory (decompressed by then) and prints the best of thirty runs over all of them. Without
//! arguments it does the same for each format of text, with made-up records. What counts is the time
//! on the processor, so that a busy machine tells nearly the same.

#![expect(clippy::print_stdout, reason = "an example prints what it measures")]

use std::{error::Error, time::Duration};

use base::{ObjectHash, Timestamp};
use dab_decode::{At, Decoder, Frame, FrameState, Framer, Header, LogSource, Scratch, parse_json};

const RUNS: usize = 30;

/// How many bytes of made-up records of a format are read in one run.
const MADE_UP_BYTES: usize = 4 << 20;

/// The formats of text, and a record of each.
const FORMATS: &[(&str, &str)] = &[
    (
        "syslog",
        "<38>Nov 24 08:00:00 web sshd[811]: Accepted publickey for anna from 192.0.2.1 port 4022 ssh2: ED25519 SHA256:x",
    ),
    (
        "syslog",
        "<165>1 2026-11-24T08:00:00.003Z web.example.com app 123 ID47 [ex@32473 iut=\"3\" source=\"app\"] Something happened here",
    ),
    (
        "{type: syslog, payload: json}",
        "<13>Nov 24 08:00:00 web app[7]: {\"user\": \"anna\", \"action\": \"login\", \"ok\": true, \"took\": 12}",
    ),
    (
        "{type: syslog, payload: cef}",
        "<134>Nov 24 08:00:00 fw CEF:0|Acme|Wall|1.0|100|Stopped|7|src=192.0.2.1 spt=1232 dst=198.51.100.7 dpt=443 proto=TCP act=blocked msg=by rule 12 cs1Label=Rule cs1=deny all",
    ),
    (
        "cef",
        "CEF:0|Acme|Wall|1.0|100|Stopped|7|src=192.0.2.1 spt=1232 dst=198.51.100.7 dpt=443 proto=TCP act=blocked msg=by rule 12 cs1Label=Rule cs1=deny all",
    ),
    (
        "leef",
        "LEEF:1.0|Acme|Wall|2.1|deny|src=192.0.2.1\tsrcPort=1232\tdst=198.51.100.7\tdstPort=443\tproto=TCP\tusrName=anna",
    ),
    (
        "auditd",
        "type=SYSCALL msg=audit(1795507200.123:77): arch=c000003e syscall=59 success=yes exit=0 a0=55d0 a1=2 a2=7f a3=0 items=2 ppid=1 pid=811 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 comm=\"cat\" exe=\"/usr/bin/cat\" key=\"exec\"",
    ),
    (
        "combined",
        "192.0.2.1 - anna [24/Nov/2026:08:00:00 +0000] \"GET /a/b.html?c=d HTTP/1.1\" 200 5120 \"https://example.com/\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
    ),
    (
        "{type: grok, patterns: ['^%{COMBINEDAPACHELOG}']}",
        "192.0.2.1 - anna [24/Nov/2026:08:00:00 +0000] \"GET /a/b.html?c=d HTTP/1.1\" 200 5120 \"https://example.com/\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
    ),
    (
        "winevent_xml",
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Sysmon' Guid='{0}'/><EventID>1</EventID><Level>4</Level><Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime='2026-11-24T08:00:00.1Z'/><EventRecordID>7</EventRecordID><Execution ProcessID='8' ThreadID='9'/><Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>web</Computer></System><EventData><Data Name='Image'>C:\\Windows\\cmd.exe</Data><Data Name='CommandLine'>cmd /c &quot;dir&quot;</Data><Data Name='User'>web\\anna</Data><Data Name='ProcessId'>811</Data></EventData></Event>",
    ),
    (
        "kv",
        "date=2026-11-24 time=08:00:00 devname=\"fg\" type=\"traffic\" srcip=192.0.2.1 srcport=1232 dstip=198.51.100.7 dstport=443 action=\"deny\"",
    ),
    (
        "{type: csv, columns: [a, b, c, d, e, f, g, h]}",
        "2026/11/24 08:00:00,TRAFFIC,192.0.2.1,198.51.100.7,1232,443,\"a, b\",deny",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else { return formats() };
    let source = LogSource::parse(&path, &std::fs::read_to_string(&path)?)
        .map_err(|errors| format!("{errors:?}"))?;
    let decoder = Decoder::new(source).map_err(|errors| format!("{errors:?}"))?;
    let objects = arguments.map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let megabytes = objects.iter().map(Vec::len).sum::<usize>() / 1_000;
    let megabytes = f64::from(u32::try_from(megabytes)?) / 1e3;
    let best = |work: &dyn Fn(&Decoder, &[u8]) -> usize| {
        let mut best = f64::INFINITY;
        let mut count = 0;
        for _ in 0..RUNS {
            let start = processor_time();
            count = objects.iter().map(|object| work(&decoder, object)).sum();
            best = best.min((processor_time() - start).as_secs_f64());
        }
        (count, megabytes / best)
    };
    for (name, work) in [
        ("frame", frame as fn(&Decoder, &[u8]) -> usize),
        ("frame and parse", parse),
        ("frame and decode", decode),
    ] {
        let (count, speed) = best(&work);
        println!("{name:<18} {count:>8} of {megabytes:.1} MB at {speed:>6.0} MB/s");
    }
    Ok(())
}

/// Reads made-up records of each format of text.
fn formats() -> Result<(), Box<dyn Error>> {
    for (format, record) in FORMATS {
        let yaml = format!("format: {format}\ntime: {{missing: ingest_time}}");
        let source =
            LogSource::parse("made_up.yml", &yaml).map_err(|errors| format!("{errors:?}"))?;
        let decoder = Decoder::new(source).map_err(|errors| format!("{errors:?}"))?;
        let object = format!("{record}\n").repeat(MADE_UP_BYTES / record.len());
        let mut best = Duration::MAX;
        let mut count = 0;
        for _ in 0..RUNS {
            let start = processor_time();
            count = decode(&decoder, object.as_bytes());
            best = best.min(processor_time() - start);
        }
        let per_second = f64::from(u32::try_from(count)?) / best.as_secs_f64();
        let megabytes = f64::from(u32::try_from(object.len())?) / best.as_secs_f64() / 1e6;
        println!("{megabytes:>5.0} MB/s {per_second:>9.0} records/s  {format}");
    }
    Ok(())
}

/// How long this thread has been on a processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

type Each<'f> = &'f mut dyn FnMut(u64, &[u8], Option<&Header>) -> bool;

fn records(decoder: &Decoder, object: &[u8], each: Each<'_>) -> usize {
    let mut framer = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    let mut count = 0;
    framer.frame(object, true, &mut |frame| {
        if let Frame::Record { offset, bytes, header } = frame {
            count += usize::from(each(offset, bytes, header.as_ref()));
        }
    });
    count
}

fn frame(decoder: &Decoder, object: &[u8]) -> usize {
    records(decoder, object, &mut |_, _, _| true)
}

fn parse(decoder: &Decoder, object: &[u8]) -> usize {
    records(decoder, object, &mut |_, bytes, _| parse_json(bytes).is_ok())
}

fn decode(decoder: &Decoder, object: &[u8]) -> usize {
    let ingest_time = Timestamp::from_seconds(1_795_507_200);
    let object_hash = ObjectHash::of(&["o"]);
    let mut scratch = Scratch::default();
    records(decoder, object, &mut |offset, bytes, header| {
        let at = At { object: "o", object_hash, offset, ingest_time, header };
        decoder.decode_in(bytes, &at, &mut scratch).is_ok()
    })
}
