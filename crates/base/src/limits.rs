//! Every limit that dab keeps, in one place: its unit and its reason.
//!
//! Limits that a user may want to move are settings whose defaults stand here.

/// The longest record (a line, an element of a JSON array), in bytes. Longer ones go to the
/// quarantine. CloudTrail caps its events at 256 KiB; the largest Windows events seen are 1 MiB.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// How deeply JSON may nest. The deepest of the real logs seen is 11; each level costs stack.
pub const JSON_DEPTH_MAX: usize = 64;

/// How many bytes of one object are read at a time, decompressed: large enough that the work per
/// read does not count, small enough that a hundred sources fit in memory.
pub const CHUNK_BYTES: usize = 4 << 20;

/// How many times larger than its compressed form an object may become. Real logs reach 30 (zstd)
/// to 150 (repetitive gzip); a zip bomb reaches 1,032 (deflate's own limit) and, nested, far more.
/// Counted only past [`DECOMPRESSED_BYTES_FREE`].
pub const DECOMPRESSION_RATIO_MAX: u64 = 500;

/// How many decompressed bytes are always allowed, whatever their ratio.
pub const DECOMPRESSED_BYTES_FREE: u64 = 64 << 20;

/// The most bytes one object may decompress to.
pub const DECOMPRESSED_BYTES_MAX: u64 = 64 << 30;

/// The largest body of one HTTP request, as sent.
pub const HTTP_BODY_BYTES_MAX: usize = 32 << 20;

/// The largest body of one HTTP request, decompressed.
pub const HTTP_BODY_DECOMPRESSED_BYTES_MAX: usize = 128 << 20;

/// How many requests may wait for a commit, for each log source: past it, 503.
pub const HTTP_QUEUE_REQUESTS_MAX: usize = 256;

/// How many bytes of requests may wait for a commit, for each log source: past it, 503.
pub const HTTP_QUEUE_BYTES_MAX: usize = 128 << 20;

/// How many columns a table grows by itself, leaves of nested objects counted. [Wide tables
/// measured: 2,000 sparse columns cost 20 times the write of 30.]
pub const TABLE_COLUMNS_MAX: usize = 200;

/// How many days' files one batch keeps open before it is committed.
pub const BATCH_DAYS_MAX: usize = 16;

/// How many raw bytes one commit gathers at most.
pub const BATCH_BYTES_MAX: usize = 128 << 20;

/// How many matches one commit carries at most; a rule that matches everything is cut into
/// commits, not into memory.
pub const BATCH_MATCHES_MAX: usize = 20_000;

/// How many bytes of a quarantined record are kept beside its reason; the rest stays in the cold
/// tier or in a spill object.
pub const QUARANTINE_INLINE_BYTES_MAX: usize = 64 << 10;

/// How many characters of a value a match's reason shows.
pub const REASON_VALUE_CHARS_MAX: usize = 200;

/// How many bytes of a matched event an alert carries.
pub const MATCH_EVENT_BYTES_MAX: usize = 256 << 10;

/// The largest rule, log source or settings file.
pub const CONFIG_FILE_BYTES_MAX: u64 = 1 << 20;

/// How many rule files a rules folder may hold.
pub const RULE_FILES_MAX: usize = 100_000;

/// How long repeats of an alert join it where the rule does not say: one hour.
pub const DEDUP_WINDOW_SECONDS_DEFAULT: u64 = 3600;

/// How far in the future an event's own time may lie: a day covers wrong zones, not wrong years.
pub const EVENT_FUTURE_SECONDS_MAX: u64 = 86_400;

/// The earliest event time that is believed: 2000-01-01. Clocks that were never set show 1970 or
/// 1980, and Windows' zero is 1601.
pub const EVENT_TIME_SECONDS_MIN: i64 = 946_684_800;

/// How many rows a search prints where it does not say.
pub const SEARCH_ROWS_DEFAULT: usize = 100;

/// How much memory one query may hold before it spills or fails.
pub const QUERY_MEMORY_BYTES: usize = 512 << 20;

/// The longest search line or SQL text, in bytes.
pub const QUERY_TEXT_BYTES_MAX: usize = 256 << 10;
