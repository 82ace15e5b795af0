//! gzip (RFC 1952), zstd (RFC 8878), UTF-16 and Windows event logs as streams: bytes in, bytes out, never more
//! memory than the caller's buffers and the window. An event log may be packed itself.
//!
//! gzip's framing is read here, around `flate2`'s inflater, because a stream that ends early must
//! be told from one that ends between two members: the first may be a file that is still written,
//! the second is complete.

use base::limits;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use serde::{Deserialize, Serialize};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

use super::{
    evtx::{self, Evtx},
    utf16::Utf16,
};

/// How an object is compressed, as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Plain,
    Gzip,
    Zstd,
    Utf16le,
    Utf16be,
    Evtx,
    Parquet,
}

/// How many bytes [`Format::of`] needs at most.
pub(crate) const MAGIC_BYTES: usize = 8;

/// How many bytes tell what is compressed: chunks have as many at least.
pub(crate) const MAGIC_BYTES_MIN: usize = 4;

impl Format {
    /// Tells the format from an object's first bytes; `None` if there are too few to tell.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // A frame, or one to skip, with which parallel writers begin.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            // A byte order mark: no text in UTF-8 begins so.
            [0xff, 0xfe, ..] => Some(Self::Utf16le),
            [0xfe, 0xff, ..] => Some(Self::Utf16be),
            [b'P', b'A', b'R', b'1', ..] => Some(Self::Parquet),
            head if head.starts_with(evtx::MAGIC) => Some(Self::Evtx),
            [_, ..] if evtx::MAGIC.starts_with(head) || b"PAR1".starts_with(head) => None,
            [0xff | 0xfe]
            | [0x1f]
            | [0x28]
            | [0x28, 0xb5]
            | [0x28, 0xb5, 0x2f]
            | [0x50..=0x5f]
            | [0x50..=0x5f, 0x2a]
            | [0x50..=0x5f, 0x2a, 0x4d] => None,
            _ => Some(Self::Plain),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Utf16le | Self::Utf16be => "UTF-16",
            Self::Evtx => "EVTX",
            Self::Parquet => "Parquet",
        }
    }
}

/// How far one call came.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes taken from the input.
    pub(crate) read: usize,
    /// Bytes put into the output.
    pub(crate) written: usize,
    /// The stream is damaged after these bytes.
    pub(crate) damage: Option<String>,
}

/// A stream being unpacked.
pub(crate) enum Decompressor {
    Gzip(Box<Gzip>),
    Zstd(Zstd),
    Utf16(Utf16),
    Evtx(Box<Evtx>),
    /// What is unpacked may be an event log.
    Packed(Box<Packed>),
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
            Self::Utf16(_) => "Utf16",
            Self::Evtx(_) => "Evtx",
            Self::Packed(_) => "Packed",
        })
    }
}

impl Decompressor {
    pub(crate) fn gzip() -> Self {
        Self::Gzip(Box::default())
    }

    pub(crate) fn utf16(is_big_endian: bool) -> Self {
        Self::Utf16(Utf16::new(is_big_endian))
    }

    pub(crate) fn evtx() -> Self {
        Self::Evtx(Box::default())
    }

    /// The same, unpacking what is an event log inside as well.
    pub(crate) fn with_evtx(self) -> Self {
        Self::Packed(Box::new(Packed {
            outer: self,
            staged: Vec::new(),
            inner: Inner::Unknown,
            damage: None,
        }))
    }

    pub(crate) fn zstd(window_log_max: u32) -> std::io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(window_log_max))?;
        Ok(Self::Zstd(Zstd { decoder, between: true, wanted: 0, holds: false }))
    }

    /// Unpacks until the input is used up and drained, the output is full, or damage is met.
    ///
    /// When it returns with room left in the output and no damage, all of `input` was taken.
    pub(crate) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        match self {
            Self::Gzip(gzip) => gzip.run(input, output),
            Self::Zstd(zstd) => zstd.run(input, output),
            Self::Utf16(utf16) => utf16.run(input, output),
            Self::Evtx(evtx) => evtx.run(input, output),
            Self::Packed(packed) => packed.run(input, output),
        }
    }

    /// What was taken so far ends where a member or frame ends: it may be all there is.
    pub(crate) fn is_between(&self) -> bool {
        match self {
            Self::Gzip(gzip) => matches!(gzip.state, GzipState::Between | GzipState::Padding),
            Self::Zstd(zstd) => zstd.between,
            Self::Utf16(utf16) => utf16.is_between(),
            Self::Evtx(evtx) => evtx.is_between(),
            Self::Packed(packed) => {
                let is_inner_between = match &packed.inner {
                    Inner::Unknown | Inner::Plain => true,
                    Inner::Evtx(evtx) => evtx.is_between(),
                };
                is_inner_between && packed.staged.is_empty() && packed.outer.is_between()
            }
        }
    }

    /// Nothing more comes, in the middle of something: whether there is something to be had of it all the
    /// same, with the next [`Self::run`].
    pub(crate) fn finish(&mut self) -> bool {
        match self {
            Self::Gzip(_) | Self::Zstd(_) | Self::Utf16(_) => false,
            Self::Evtx(evtx) => evtx.finish(),
            Self::Packed(packed) => packed.finish(),
        }
    }
}

/// A stream that may unpack to an event log.
pub(crate) struct Packed {
    outer: Decompressor,
    /// What is unpacked of an event log and not read yet, or of what is not known yet.
    staged: Vec<u8>,
    inner: Inner,
    /// What is told when all that was unpacked before is handed out.
    damage: Option<String>,
}

/// What is inside.
enum Inner {
    /// Too little came to tell.
    Unknown,
    Plain,
    Evtx(Box<Evtx>),
}

/// How much of an event log is unpacked ahead.
const STAGED_BYTES: usize = 64 << 10;

impl Packed {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut progress = Progress::default();
        loop {
            progress.written += self.pour(output.get_mut(progress.written..).unwrap_or_default());
            if progress.written == output.len() {
                return progress;
            }
            if self.damage.is_some() {
                if self.finish() {
                    continue;
                }
                progress.damage = self.damage.take();
                return progress;
            }
            let rest = input.get(progress.read..).unwrap_or_default();
            if matches!(self.inner, Inner::Plain) {
                let room = output.get_mut(progress.written..).unwrap_or_default();
                let step = self.outer.run(rest, room);
                progress.read += step.read;
                progress.written += step.written;
                progress.damage = step.damage;
                return progress;
            }
            let had = self.staged.len();
            self.staged.resize(STAGED_BYTES, 0);
            let step = self.outer.run(rest, self.staged.get_mut(had..).unwrap_or_default());
            self.staged.truncate(had + step.written);
            progress.read += step.read;
            self.damage = step.damage;
            self.tell();
            if step.written == 0 && self.damage.is_none() {
                return progress;
            }
        }
    }

    /// As [`Decompressor::finish`].
    fn finish(&mut self) -> bool {
        match &mut self.inner {
            Inner::Unknown if self.staged.is_empty() => false,
            Inner::Unknown => {
                self.inner = Inner::Plain;
                true
            }
            Inner::Plain => false,
            Inner::Evtx(evtx) => evtx.finish(),
        }
    }

    /// Finds out what is inside, unless too little is there and more will come.
    fn tell(&mut self) {
        if !matches!(self.inner, Inner::Unknown) {
            return;
        }
        if self.staged.starts_with(evtx::MAGIC) {
            self.inner = Inner::Evtx(Box::default());
        } else if !evtx::MAGIC.starts_with(&self.staged) {
            self.inner = Inner::Plain;
        }
    }

    /// Hands out what can be had of what is staged.
    fn pour(&mut self, room: &mut [u8]) -> usize {
        let (read, written) = match &mut self.inner {
            Inner::Unknown => return 0,
            Inner::Plain => {
                let count = self.staged.len().min(room.len());
                for (to, from) in room.iter_mut().zip(&self.staged) {
                    *to = *from;
                }
                (count, count)
            }
            Inner::Evtx(evtx) => {
                let step = evtx.run(&self.staged, room);
                (step.read, step.written)
            }
        };
        self.staged.drain(..read);
        written
    }
}

pub(crate) struct Zstd {
    decoder: Decoder<'static>,
    between: bool,
    /// How many bytes make up the next block.
    wanted: usize,
    /// The last call filled its output: there may be more of the block.
    holds: bool,
}

/// The shortest frame header.
const FRAME_HEADER_BYTES_MIN: usize = 5;

impl Zstd {
    /// Goes block by block, and takes a block's end before the next is begun: when a call fails,
    /// all that it unpacked is lost.
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut progress = Progress::default();
        loop {
            let rest = input.get(progress.read..).unwrap_or_default();
            let room = output.get_mut(progress.written..).unwrap_or_default();
            if room.is_empty() || (self.between && rest.is_empty()) {
                return progress;
            }
            let length = if self.holds { 0 } else { self.wanted.max(FRAME_HEADER_BYTES_MIN) };
            let block = rest.get(..length).unwrap_or(rest);
            let has_nothing_new = block.is_empty() && !self.holds;
            let room_bytes = room.len();
            let (mut from, mut to) = (InBuffer::around(block), OutBuffer::around(room));
            let result = self.decoder.run(&mut from, &mut to);
            let (read, written) = (from.pos(), to.pos());
            progress.read += read;
            progress.written += written;
            match result {
                Ok(hint) => (self.between, self.wanted) = (hint == 0, hint),
                Err(error) => {
                    progress.damage = Some(error.to_string());
                    return progress;
                }
            }
            self.holds = written == room_bytes;
            if has_nothing_new && written == 0 && !self.between {
                return progress;
            }
        }
    }
}

/// Where in a gzip file we are.
#[derive(Debug)]
enum GzipState {
    /// At the start, or after a member's end.
    Between,
    /// Zeros after a member: tapes and disk blocks leave them. No member follows.
    Padding,
    Header(Header),
    Body,
    Trailer([u8; 8], usize),
}

pub(crate) struct Gzip {
    state: GzipState,
    inflater: Decompress,
    crc: Crc,
    any_member: bool,
}

impl Default for Gzip {
    fn default() -> Self {
        Self {
            state: GzipState::Between,
            inflater: Decompress::new(false),
            crc: Crc::new(),
            any_member: false,
        }
    }
}

impl Gzip {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut progress = Progress::default();
        loop {
            let rest = input.get(progress.read..).unwrap_or_default();
            let room = output.get_mut(progress.written..).unwrap_or_default();
            if room.is_empty() || (rest.is_empty() && !matches!(self.state, GzipState::Body)) {
                return progress;
            }
            let result = match &mut self.state {
                GzipState::Body => {
                    let (read, written, result) = self.inflate(rest, room);
                    progress.read += read;
                    progress.written += written;
                    if read == 0 && written == 0 && result.is_ok() && self.is_inside() {
                        return progress;
                    }
                    result
                }
                _ => self.frame(rest).map(|read| progress.read += read),
            };
            if let Err(damage) = result {
                progress.damage = Some(damage);
                return progress;
            }
        }
    }

    const fn is_inside(&self) -> bool {
        matches!(self.state, GzipState::Body)
    }

    fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> (usize, usize, Result<(), String>) {
        let before = (self.inflater.total_in(), self.inflater.total_out());
        let result = self.inflater.decompress(input, output, FlushDecompress::None);
        let moved = |after: u64, before: u64| usize::try_from(after - before).unwrap_or(usize::MAX);
        let read = moved(self.inflater.total_in(), before.0);
        let written = moved(self.inflater.total_out(), before.1);
        self.crc.update(output.get(..written).unwrap_or_default());
        let result = match result {
            Ok(Status::StreamEnd) => {
                self.state = GzipState::Trailer([0; 8], 0);
                Ok(())
            }
            Ok(Status::Ok | Status::BufError) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        (read, written, result)
    }

    /// Reads what stands around the deflated bytes: header, trailer, padding.
    fn frame(&mut self, input: &[u8]) -> Result<usize, String> {
        match &mut self.state {
            GzipState::Between if self.any_member && input.first() == Some(&0) => {
                self.state = GzipState::Padding;
                Ok(0)
            }
            GzipState::Between => {
                let is_later = self.any_member;
                self.state = GzipState::Header(Header { is_later, ..Header::default() });
                Ok(0)
            }
            GzipState::Padding => {
                let zeros = input.iter().take_while(|byte| **byte == 0).count();
                if zeros < input.len() {
                    return Err(AFTER_LAST.to_owned());
                }
                Ok(zeros)
            }
            GzipState::Header(header) => {
                for (index, byte) in input.iter().enumerate() {
                    if header.take(*byte)? {
                        self.inflater.reset(false);
                        self.crc = Crc::new();
                        self.state = GzipState::Body;
                        return Ok(index + 1);
                    }
                }
                Ok(input.len())
            }
            GzipState::Trailer(bytes, have) => {
                let mut read = 0;
                for (slot, byte) in bytes.iter_mut().skip(*have).zip(input) {
                    *slot = *byte;
                    read += 1;
                }
                *have += read;
                if *have == bytes.len() {
                    let [c1, c2, c3, c4, s1, s2, s3, s4] = *bytes;
                    if u32::from_le_bytes([c1, c2, c3, c4]) != self.crc.sum() {
                        return Err("its checksum (CRC-32) does not match".to_owned());
                    }
                    if u32::from_le_bytes([s1, s2, s3, s4]) != self.crc.amount() {
                        return Err("its length does not match".to_owned());
                    }
                    self.any_member = true;
                    self.state = GzipState::Between;
                }
                Ok(read)
            }
            GzipState::Body => Ok(0),
        }
    }
}

/// A member's header, byte by byte: RFC 1952, section 2.3.
#[derive(Debug, Default)]
struct Header {
    /// It is not the first.
    is_later: bool,
    taken: usize,
    flags: u8,
    /// What of the optional parts is still to come.
    part: Part,
    crc: Crc,
}

#[derive(Debug, Default, Clone, Copy)]
enum Part {
    #[default]
    Fixed,
    ExtraLength {
        low: Option<u8>,
    },
    Extra {
        left: u16,
    },
    Name,
    Comment,
    Crc {
        low: Option<u8>,
    },
}

const AFTER_LAST: &str = "there is something after the last member";

const FLAG_HEADER_CRC: u8 = 0x02;
const FLAG_EXTRA: u8 = 0x04;
const FLAG_NAME: u8 = 0x08;
const FLAG_COMMENT: u8 = 0x10;
const FLAGS_RESERVED: u8 = 0xe0;

impl Header {
    /// Takes the next byte; true when the header is complete with it.
    fn take(&mut self, byte: u8) -> Result<bool, String> {
        if self.taken >= limits::GZIP_HEADER_BYTES_MAX {
            return Err("a member's header has no end".to_owned());
        }
        let at = self.taken;
        self.taken += 1;
        let next = match self.part {
            Part::Fixed => {
                self.take_fixed(at, byte)?;
                if at < 9 { Some(Part::Fixed) } else { self.part_after(0) }
            }
            Part::ExtraLength { low: None } => Some(Part::ExtraLength { low: Some(byte) }),
            Part::ExtraLength { low: Some(low) } => match u16::from_le_bytes([low, byte]) {
                0 => self.part_after(FLAG_EXTRA),
                left => Some(Part::Extra { left }),
            },
            Part::Extra { left: 0 | 1 } => self.part_after(FLAG_EXTRA),
            Part::Extra { left } => Some(Part::Extra { left: left - 1 }),
            Part::Name if byte == 0 => self.part_after(FLAG_NAME),
            Part::Comment if byte == 0 => self.part_after(FLAG_COMMENT),
            Part::Name | Part::Comment => Some(self.part),
            Part::Crc { low: None } => {
                self.part = Part::Crc { low: Some(byte) };
                return Ok(false);
            }
            Part::Crc { low: Some(low) } => {
                let expected = self.crc.sum().to_le_bytes();
                let [first, second, ..] = expected;
                if [low, byte] != [first, second] {
                    return Err("a member's header does not match its checksum".to_owned());
                }
                return Ok(true);
            }
        };
        self.crc.update(&[byte]);
        match next {
            Some(part) => self.part = part,
            None => return Ok(true),
        }
        Ok(false)
    }

    fn take_fixed(&mut self, at: usize, byte: u8) -> Result<(), String> {
        match (at, byte) {
            (0, 0x1f) | (1, 0x8b) | (2, 8) => Ok(()),
            (0 | 1, _) if self.is_later => Err(AFTER_LAST.to_owned()),
            (0 | 1, _) => Err("it does not begin as gzip does".to_owned()),
            (2, method) => Err(format!("compression method {method} is not deflate")),
            (3, flags) if flags & FLAGS_RESERVED != 0 => {
                Err("a member's header has reserved flags set".to_owned())
            }
            (3, flags) => {
                self.flags = flags;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The optional part that follows the one named by `done`; `None` if the header ends.
    const fn part_after(&self, done: u8) -> Option<Part> {
        if done < FLAG_EXTRA && self.flags & FLAG_EXTRA != 0 {
            Some(Part::ExtraLength { low: None })
        } else if done < FLAG_NAME && self.flags & FLAG_NAME != 0 {
            Some(Part::Name)
        } else if done < FLAG_COMMENT && self.flags & FLAG_COMMENT != 0 {
            Some(Part::Comment)
        } else if self.flags & FLAG_HEADER_CRC != 0 {
            Some(Part::Crc { low: None })
        } else {
            None
        }
    }
}

/// How far a stream may unfold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnpackLimits {
    pub(crate) ratio_max: u64,
    pub(crate) bytes_free: u64,
    pub(crate) bytes_max: u64,
}

impl UnpackLimits {
    /// `unpacked` bytes out of `raw` are within the limits.
    pub(crate) const fn allow(&self, raw: u64, unpacked: u64) -> bool {
        unpacked <= self.bytes_max
            && (unpacked <= self.bytes_free || unpacked <= raw.saturating_mul(self.ratio_max))
    }
}

#[cfg(test)]
mod tests;
