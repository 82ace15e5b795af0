//! Every limit that dab keeps, in one place: its unit and its reason.
//!
//! Limits that a user may want to move are settings whose defaults stand here.

/// The longest record (a line, an element of a JSON array), in bytes. Longer ones go to the
/// quarantine. CloudTrail caps its events at 256 KiB; the largest Windows events seen are 1 MiB.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// The longest header of a table (column names, directives), in bytes: it is part of checkpoints. A
/// thousand columns take about 16 KiB.
pub const HEADER_BYTES_MAX: usize = 64 << 10;

/// How deeply JSON may nest. The deepest of the real logs seen is 11; each level costs stack.
pub const JSON_DEPTH_MAX: usize = 64;

/// How many times grok patterns may stand inside one another: those that come with dab reach 6.
pub const GROK_DEPTH_MAX: usize = 32;

/// How long a grok pattern may be once it is put together, in bytes: the longest that comes with dab,
/// that of the combined log format, takes 4 KiB.
pub const GROK_EXPANDED_BYTES_MAX: usize = 64 << 10;

/// How many fields a record may have for `lift` to add to them: the names of those that it adds are
/// compared with all others. Real records have 200.
pub const LIFT_FIELDS_MAX: usize = 4096;

/// How long the program of a log source may be, in bytes. It is for what a mapping can't say; those that
/// people publish for Vector have some 10 KiB.
pub const VRL_BYTES_MAX: usize = 64 << 10;

/// How many expressions such a program may evaluate for one record: those that people write evaluate some
/// hundred, and loops go over what is in the record.
pub const VRL_STEPS_MAX: u32 = 100_000;

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

/// How many values of an event a lookup table is asked for in turn: lists of addresses may be long.
pub const ENRICH_KEYS_MAX: usize = 16;

/// How many columns a Parquet file may have, those inside of others counted. Each takes memory while it
/// is read; wide logs have a few hundred.
pub const PARQUET_COLUMNS_MAX: usize = 10_000;

/// How long the description of a Parquet file at its end may be: it is read as a whole. A row group with a
/// hundred columns takes about 10 KiB of it.
pub const PARQUET_METADATA_BYTES_MAX: u64 = 32 << 20;

/// How many bytes a page of a Parquet file may unpack to. Writers make pages of 1 MiB.
pub const PARQUET_PAGE_BYTES_MAX: u64 = 64 << 20;

/// How many bytes of a Parquet file are fetched ahead, over all columns.
pub const PARQUET_AHEAD_BYTES: u64 = 32 << 20;

/// How many rows of a Parquet file are read at a time: at most as many as take this many bytes, or
/// [`PARQUET_BATCH_ROWS_MAX`].
pub const PARQUET_BATCH_BYTES: u64 = 4 << 20;

/// See [`PARQUET_BATCH_BYTES`].
pub const PARQUET_BATCH_ROWS_MAX: usize = 1024;

/// How much of a page's header is read at a time: most are shorter.
pub const PARQUET_HEADER_READ_BYTES: usize = 256;

/// The largest body of one HTTP request, as sent.
pub const HTTP_BODY_BYTES_MAX: usize = 32 << 20;

/// The largest body of one HTTP request, decompressed.
pub const HTTP_BODY_DECOMPRESSED_BYTES_MAX: usize = 128 << 20;

/// How many requests may wait for a commit, for each log source: past it, 503.
pub const HTTP_QUEUE_REQUESTS_MAX: usize = 256;

/// How many bytes of requests may wait for a commit, for each log source: past it, 503.
pub const HTTP_QUEUE_BYTES_MAX: usize = 128 << 20;

/// How many records one request of Splunk's, Elasticsearch's or OpenTelemetry's clients may hold: what
/// becomes of each is remembered until the answer. Clients send batches of 100 to 10,000.
pub const PUSH_RECORDS_MAX: usize = 100_000;

/// How many channels of Splunk's indexer acknowledgement are remembered; each client has one.
pub const HEC_CHANNELS_MAX: usize = 10_000;

/// How many columns a table grows by itself, leaves of nested objects counted. [Wide tables
/// measured: 2,000 sparse columns cost 20 times the write of 30.]
pub const TABLE_COLUMNS_MAX: usize = 200;

/// How many values one list of `related` holds: enough for every address of a record, and a bound on
/// the work that a record made of addresses alone can cause.
pub const RELATED_VALUES_MAX: usize = 100;

/// How many days' files one batch keeps open before it is committed.
pub const BATCH_DAYS_MAX: usize = 16;

/// How many raw bytes one commit gathers at most.
pub const BATCH_BYTES_MAX: usize = 128 << 20;

/// How many bytes of memory the batches of all sources take together, as far as they are counted
/// (rows to be encoded, open files, matches), before the larger ones are committed: half of what a
/// small machine can give.
pub const BATCHES_MEMORY_MAX: usize = 256 << 20;

/// A batch that takes fewer bytes of memory than this is not committed to save memory: a hundred
/// sources may have one.
pub const BATCH_MEMORY_MIN: usize = 8 << 20;

/// How many matches one commit carries at most; a rule that matches everything is cut into
/// commits, not into memory.
pub const BATCH_MATCHES_MAX: usize = 20_000;

/// How many matches one commit carries that are for correlations alone: they are a tenth as large.
pub const BATCH_SILENT_MATCHES_MAX: usize = 200_000;

/// How many matches of one rule raise alerts in an hour of event time from one source, where the
/// settings do not say: more than anybody looks at, and a bound on what a rule that matches everything
/// stores and sends.
pub const RULE_MATCHES_PER_HOUR_MAX: u64 = 10_000;

/// How many bytes of data files the query of one lookup table may read each time it is run, where the
/// settings do not say: a minute of reading, as it is repeated every few minutes with nobody looking.
pub const RULE_QUERY_BYTES_MAX: u64 = 32 << 30;

/// For how many rules and hours a batch hands on to the next how often they matched: some 20 KiB in its
/// manifest. A rule in the stream takes one or two.
pub const RULE_HOURS_MAX: usize = 256;

/// How many quarantined records one commit carries at most, for the same reason.
pub const BATCH_QUARANTINED_MAX: usize = 20_000;

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

/// The longest window within which repeats join an alert: 400 days, so that a year fits with slack.
pub const DEDUP_WINDOW_SECONDS_MAX: u64 = 400 * 86_400;

/// For how long deduplication remembers an alert after the last match that joined it, beyond the
/// rule's window: a source that was down for a week still finds the alerts it belongs to.
pub const DEDUP_KEEP_SECONDS: u64 = 7 * 86_400;

/// How many alerts deduplication remembers for one key, beyond those of batches that may be
/// replayed: history and the present raise alerts side by side, but not without end.
pub const DEDUP_ALERTS_MAX: usize = 64;

/// How many records of deduplication one sweep reads at most.
pub const DEDUP_SWEEP_RECORDS_MAX: usize = 1000;

/// How often a compare-and-set is tried again when other writers were faster.
pub const STATE_ATTEMPTS_MAX: u32 = 16;

/// How many reads and writes of state one stage has under way at once: enough to hide an object
/// store's 50 ms, few enough not to be throttled.
pub const STATE_CONCURRENCY: usize = 16;

/// How often a notification is tried before it is given up: with the waits between, about a day.
pub const NOTIFY_ATTEMPTS_MAX: u32 = 22;

/// How long the first retry of a notification waits, in seconds; each further one twice as long.
pub const NOTIFY_RETRY_SECONDS_MIN: u64 = 5;

/// How long a retry of a notification waits at most, in seconds.
pub const NOTIFY_RETRY_SECONDS_MAX: u64 = 7200;

/// After how many failures in a row a receiver is left alone for the rest of a round.
pub const NOTIFY_FAILURES_PER_ROUND_MAX: u32 = 3;

/// How many notifications one round sends to one receiver at most.
pub const NOTIFY_SENDS_PER_ROUND_MAX: usize = 500;

/// For how long it is remembered that a notification was delivered, in seconds, so that a batch
/// replayed after a crash does not send it again.
pub const NOTIFY_SENT_KEEP_SECONDS: u64 = 7 * 86_400;

/// How many characters of a receiver's answer an error shows.
pub const NOTIFY_ANSWER_CHARS_MAX: usize = 200;

/// How long a receiver may take to answer, in seconds: chat and ticket tools take up to five.
pub const HTTP_CLIENT_TIMEOUT_SECONDS: u64 = 15;

/// How long connecting to a receiver may take, in seconds.
pub const HTTP_CLIENT_CONNECT_SECONDS: u64 = 5;

/// How many bytes of a receiver's answer are read; the status decides, the rest is for people.
pub const HTTP_CLIENT_REPLY_BYTES_MAX: usize = 64 << 10;

/// How far in the future an event's own time may lie: a day covers wrong zones, not wrong years.
pub const EVENT_FUTURE_SECONDS_MAX: u64 = 86_400;

/// The earliest event time that is believed: 2000-01-01. Clocks that were never set show 1970 or
/// 1980, and Windows' zero is 1601.
pub const EVENT_TIME_SECONDS_MIN: i64 = 946_684_800;

/// How many rows a search prints where it does not say.
pub const SEARCH_ROWS_DEFAULT: usize = 100;

/// How much memory one query may hold before it spills or fails.
pub const QUERY_MEMORY_BYTES: usize = 512 << 20;

/// How many bytes one query reads of data files at most: an hour's work of this machine's disk, or a few
/// dollars of an object store's transfer.
pub const QUERY_BYTES_MAX: u64 = 1 << 40;

/// How long one query runs at most.
pub const QUERY_SECONDS_MAX: u64 = 3600;

/// How large a table may be that SQL reads without a bound on `time` or `day`: some seconds of reading.
pub const QUERY_UNBOUNDED_BYTES_MAX: u64 = 10 << 30;

/// How often it is looked whether a query keeps its limits, in milliseconds.
pub const QUERY_LOOK_MILLISECONDS: u64 = 100;

/// How large the files are that compaction makes: a few seconds to fetch from an object store, and little
/// enough to be sorted on a small disk.
pub const COMPACT_TARGET_BYTES: u64 = 128 << 20;

/// How many files of that size a day may have before they are merged into larger ones.
pub const COMPACT_FILES_A_DAY: usize = 32;

/// How large these become: a day of 300 GB as they came in has some 30 files then, a month less than
/// 1,000.
pub const COMPACT_LARGE_BYTES: u64 = 1 << 30;

/// How many sorted files are merged at a time: of each, a row group is in memory.
pub const COMPACT_MERGED_MAX: usize = 12;

/// How many files one step of compaction reads at most: their footers, and the removals in one commit.
pub const COMPACT_FILES_MAX: usize = 2000;

/// How many small files are always worth a step of compaction, however large their neighbor is.
pub const COMPACT_FILES_WORTH: usize = 8;

/// How much memory sorting may take in compaction before it goes to the local disk.
pub const COMPACT_MEMORY_BYTES: usize = 256 << 20;

/// How many rows a block of a compacted file has at most: each column has one page for it.
pub const COMPACT_BLOCK_ROWS: usize = 16_384;

/// How many bytes the values of a block have at most: what the search index points at. Raw, they were some
/// 4 MiB. Each block has a page for every column, so smaller ones cost bytes: half of this, 4 % of all.
pub const COMPACT_BLOCK_BYTES: usize = 8 << 20;

/// How many rows a block of the search index has at most in files whose pages end anywhere.
pub const INDEX_BLOCK_ROWS: usize = 8192;

/// How much text it has at most.
pub const INDEX_BLOCK_BYTES: usize = 4 << 20;

/// The smallest data file that gets a search index: one request reads a smaller one as a whole.
pub const INDEX_FILE_BYTES_MIN: u64 = 128 << 10;

/// How many indexes a query asks at once: enough to hide an object store's 50 ms.
pub const INDEX_CONCURRENCY: usize = 16;

/// How many encoded bytes a row group of a compacted file has: it is held in memory until it is
/// written, and dictionaries are repeated in each.
pub const COMPACT_ROW_GROUP_BYTES: usize = 32 << 20;

/// The level of zstd for compacted files: 6 % less than at level 1, for half as much time again to write
/// them, once, where nobody waits. Level 9 takes another 0.6 % away, for a third more.
pub const COMPACT_LEVEL: i32 = 6;

/// For how long files that are no longer part of a table are kept where the settings don't say, in
/// seconds: longer than any query runs, and than any writer waits between a file and its commit.
pub const VACUUM_GRACE_SECONDS: u64 = 86_400;

/// For how long they may be kept at most: a week, after which the log forgets when it dropped them.
pub const VACUUM_GRACE_SECONDS_MAX: u64 = 7 * 86_400;

/// For how long the part of a table's log that a checkpoint has made needless is kept, in seconds: a
/// week, so that readers that are behind still find their way.
pub const LOG_KEEP_SECONDS: u64 = 7 * 86_400;

/// How many findings a check of the lake lists; the others are counted.
pub const CHECK_FINDINGS_MAX: usize = 1000;

/// How many objects a check reads at once: enough to hide an object store's 50 ms.
pub const CHECK_CONCURRENCY: usize = 16;

/// How many batches are reconciled together: the files of their table are read once for all of them, and
/// the places of their records are held in memory.
pub const RECONCILE_BATCHES_MAX: u64 = 1000;

/// How many findings of one look at the ledger become alerts: what is wrong with a table is wrong with
/// thousands of batches.
pub const LEDGER_ALERTS_MAX: usize = 20;

/// How many raw bytes of batches are replayed in one commit, beyond the first of them: each commit writes
/// the files anew that hold their rows.
pub const REPLAY_BYTES_MAX: u64 = 64 << 20;

/// How many records are replayed in one commit, beyond those of the first batch: their ids are held in
/// memory, some 300 bytes for each.
pub const REPLAY_RECORDS_MAX: u64 = 250_000;

/// How many batches before its own the bytes of a record may have come in with: large documents are
/// committed in several batches.
pub const REPLAY_BATCHES_BACK_MAX: u64 = 64;

/// How often a commit is tried again when others were faster, before the store is taken to be away.
pub const COMMIT_ATTEMPTS_MAX: u32 = 15;

/// How many commits of others are read at the same time.
pub const COMMITS_READ_AT_ONCE_MAX: usize = 16;

/// How many older commits are read one by one to learn which numbers they gave out; where there are more, the log is
/// searched for each name.
pub const COMMITS_READ_BACK_MAX: u64 = 64;

/// How many staged commits a committer takes in one round.
pub const STAGED_ROUND_MAX: usize = 500;

/// How many of them it reads at the same time.
pub const STAGED_CONCURRENCY: usize = 128;

/// How often a commit of upkeep is tried again when writers were faster.
pub const REWRITE_ATTEMPTS_MAX: u32 = 20;

/// The longest search line or SQL text, in bytes.
pub const QUERY_TEXT_BYTES_MAX: usize = 256 << 10;

/// How deeply the YAML of a rule and its condition may nest: real rules reach 5 and 3.
pub const RULE_DEPTH_MAX: usize = 64;

/// How many values one rule file may hold once its YAML aliases are replaced: the largest real rule
/// has 700.
pub const RULE_NODES_MAX: usize = 100_000;

/// How many bytes of text one rule file may hold once its YAML aliases are replaced.
pub const RULE_TEXT_BYTES_MAX: usize = 4 << 20;

/// How much memory one regular expression of a rule may compile to: ten times what the largest
/// real one needs.
pub const RULE_REGEX_BYTES_MAX: usize = 4 << 20;

/// How many values one placeholder, or one combination of them, may expand to.
pub const RULE_EXPANSION_VALUES_MAX: usize = 10_000;

/// How many reasons a match carries.
pub const MATCH_REASONS_MAX: usize = 32;

/// The longest CEL expression, in bytes. The longest detections published are about 4 KiB.
pub const CEL_SOURCE_BYTES_MAX: usize = 16 << 10;

/// How deeply a CEL expression may nest: brackets, and operators and selections in a row. Each
/// level costs stack in the parser; what people write stays below 30.
pub const CEL_DEPTH_MAX: usize = 96;

/// The stack of the thread that parses a CEL expression, in bytes: four times what the parser
/// takes in a build without optimizations for an expression as deep as [`CEL_DEPTH_MAX`] allows.
pub const CEL_COMPILE_STACK_BYTES: usize = 32 << 20;

/// How many steps one evaluation of a CEL expression may take: operators applied, members visited,
/// blocks of 256 bytes of text read or built. A detection takes 5 to 50; at 20 to 50 ns a step this
/// bounds one event to a few milliseconds.
pub const CEL_STEPS_MAX: u32 = 100_000;

/// How many steps a CEL expression may be estimated to take, at the sizes below: two macros over
/// lists inside one another pass, three don't.
pub const CEL_COST_MAX: u64 = 1_000_000;

/// How many macros may be put into one CEL expression, those inside macros counted: macros that
/// double one another reach this at ten levels.
pub const CEL_EXPANSIONS_MAX: usize = 1000;

/// How many CEL macros may stand inside one another: each costs the compiler stack.
pub const CEL_EXPANSION_DEPTH_MAX: usize = 16;

/// How deeply a CEL expression may nest once its macros are put in: each level costs the evaluation
/// stack, about 5 KiB in a build without optimizations.
pub const CEL_EXPANDED_DEPTH_MAX: usize = 200;

/// The longest name of a CEL macro, in bytes.
pub const CEL_MACRO_NAME_BYTES_MAX: usize = 64;

/// How many members a list or map of an event is taken to have when the cost of a CEL expression is
/// estimated: ten times the longest lists of the real logs seen that detections go through.
pub const CEL_COST_MEMBERS: u64 = 100;

/// How many steps a text of an event is taken to cost when the cost of a CEL expression is
/// estimated: texts of 1 KiB, which only command lines and messages go beyond.
pub const CEL_COST_TEXT_STEPS: u64 = 4;

/// How large a compiled regular expression that an expression computes may be, in bytes. Literal
/// ones are compiled once, with the library's own limit of 10 MiB.
pub const CEL_COMPUTED_REGEX_BYTES_MAX: usize = 256 << 10;

/// How many computed regular expressions a CEL expression keeps compiled.
pub const CEL_REGEX_CACHE_MAX: usize = 64;

/// How many alternatives are kept of what must hold for a CEL expression to be true: as many
/// values as the longest lists of indicators that rules spell out.
pub const CEL_NECESSARY_MAX: usize = 1000;

/// The largest file of a lookup table, in bytes: twice the largest city database sold.
pub const LOOKUP_FILE_BYTES_MAX: usize = 256 << 20;

/// How many rows a lookup table may have that is held row by row: about 1 GiB of memory.
pub const LOOKUP_ROWS_MAX: usize = 2_000_000;

/// How often the file of a lookup table is looked at where its declaration does not say, in seconds.
pub const LOOKUP_REFRESH_SECONDS_DEFAULT: u64 = 300;

/// How many files an external table may have: each is looked at before a query begins.
pub const EXTERNAL_FILES_MAX: usize = 10_000;

/// How many bytes the NDJSON files of an external table may have: they are read twice, as only the whole
/// says which columns there are.
pub const EXTERNAL_NDJSON_BYTES_MAX: u64 = 4 << 30;

/// The largest workbook that is an external table: it is unpacked in memory.
pub const EXTERNAL_WORKBOOK_BYTES_MAX: u64 = 64 << 20;

/// How many bytes each part of a workbook unpacks to at most, and how much text a sheet has: what a query
/// may hold in memory, so that a small file does not become a large one.
pub const EXTERNAL_WORKBOOK_UNPACKED_BYTES_MAX: usize = 256 << 20;

/// How many cells a sheet has at most, empty ones included: a million rows of twenty columns.
pub const EXTERNAL_WORKBOOK_CELLS_MAX: usize = 20 << 20;

/// How long an object must be unchanged before its unterminated last record counts as a record:
/// longer than writers hold back a half-written line.
pub const OBJECT_SETTLE_SECONDS_DEFAULT: u64 = 30;

/// How many objects of one location are looked at: their listing is held in memory (300 MB).
pub const OBJECTS_LISTED_MAX: usize = 1_000_000;

/// How many objects that are no longer listed a checkpoint remembers, so that one that comes back
/// under its old name is not mistaken for the old one.
pub const OBJECTS_GONE_MAX: usize = 10_000;

/// How deep a folder to read may be: deeper ones are links that lead in circles.
pub const FOLDER_DEPTH_MAX: usize = 64;

/// How many unreadable objects a source reports one by one.
pub const TROUBLES_MAX: usize = 1000;

/// The largest window of a zstd stream, as a power of two: 128 MiB, what `zstd` itself unpacks
/// without being asked.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The largest window of a zstd body over HTTP, as a power of two: 8 MiB, which RFC 9659 sets.
pub const HTTP_ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The longest header of a gzip member. Its name and comment have no bound of their own.
pub const GZIP_HEADER_BYTES_MAX: usize = 128 << 10;

/// How many seconds a client is asked to wait when a queue is full: about one commit.
pub const HTTP_RETRY_AFTER_SECONDS: u64 = 2;

/// How many words, values and pipe commands one search line may have: each is tested on every row.
pub const SEARCH_TERMS_MAX: usize = 1000;

/// How large a file with a saved search may be, in bytes: its line has a limit of its own.
pub const SAVED_SEARCH_BYTES_MAX: u64 = 512 << 10;

/// How many files with saved searches a project may have: each is read to find one.
pub const SAVED_SEARCHES_MAX: usize = 1000;

/// How deeply a search line's parentheses may nest: each level costs stack.
pub const SEARCH_DEPTH_MAX: usize = 50;

/// How much memory a regular expression of a search may compile to: some hundred times what a long one
/// needs.
pub const SEARCH_REGEX_BYTES_MAX: usize = 4 << 20;

/// How deeply the groups of a search's regular expression may nest.
pub const SEARCH_REGEX_DEPTH_MAX: u32 = 100;

/// By how much events of one correlation may come out of order before it decides without them,
/// where the rule does not say: a minute covers collectors that batch, and delays an alert no more.
pub const CORRELATION_LATENESS_SECONDS_DEFAULT: u64 = 60;

/// The longest lateness: a day. What is later than that is another delivery.
pub const CORRELATION_LATENESS_SECONDS_MAX: u64 = 86_400;

/// The longest window of a correlation: 400 days, so that a year fits with slack.
pub const CORRELATION_TIMESPAN_SECONDS_MAX: u64 = 400 * 86_400;

/// How many rules one correlation may name: real ones name up to ten.
pub const CORRELATION_RULES_MAX: usize = 64;

/// How many rules an ordered correlation with an expression may name: it looks at their subsets.
pub const CORRELATION_ORDERED_EXPRESSION_RULES_MAX: usize = 8;

/// How many fields a correlation may group by, or count the values of.
pub const CORRELATION_FIELDS_MAX: usize = 16;

/// How many correlations may stand on one another.
pub const CORRELATION_DEPTH_MAX: usize = 10;

/// How many events of one group a correlation holds; the oldest go first, and that is counted. A
/// rule can't ask for more of them than that.
pub const CORRELATION_GROUP_EVENTS_MAX: usize = 10_000;

/// How many events one correlation holds over all groups, about 30 MB. Beyond, the groups that were
/// not touched for longest go first, and that is counted.
pub const CORRELATION_EVENTS_MAX: usize = 200_000;

/// How many groups one correlation holds, for the same reason and with the same eviction.
pub const CORRELATION_GROUPS_MAX: usize = 50_000;

/// How many events wait at one correlation for others that are late; beyond, the earliest are
/// decided at once, and that is counted.
pub const CORRELATION_WAITING_MAX: usize = 50_000;

/// For how long a group is kept after its window has ended, in seconds of event time: a source that
/// is an hour behind the others still finds what it belongs to.
pub const CORRELATION_KEEP_SECONDS: i64 = 3600;

/// A group whose window has ended is kept until so many further events were decided, so that
/// history that is read beside the present finds its groups.
pub const CORRELATION_KEEP_EVENTS: u64 = 10_000;

/// How many bytes of a value a correlation tells values apart by; a hash stands for the rest.
pub const CORRELATION_VALUE_BYTES_MAX: usize = 256;

/// How many events, and how many values, a match of a correlation names: the latest.
pub const CORRELATION_SHOWN_MAX: usize = 50;

/// How many values of one field of one event a correlation looks at.
pub const CORRELATION_EVENT_VALUES_MAX: usize = 100;

/// How many batches the journal of correlations names before their state is written anew: after a
/// crash, so many are taken in again.
pub const CORRELATION_JOURNAL_MAX: usize = 32;

/// How many of the rules that could not be evaluated on some events the status names, those that
/// failed most: it is read by people, and written anew every few seconds.
pub const STATUS_RULE_ERRORS_MAX: usize = 100;

/// How many of the rules whose matches were held back the status names, those with the most.
pub const STATUS_RULES_HELD_BACK_MAX: usize = 100;

/// How many matches a backtest keeps: about 1 KB each. A rule that finds more is not one to be looked
/// at match by match.
pub const BACKTEST_MATCHES_MAX: usize = 500_000;

/// How long the answer to a request of a pull may take, in seconds: reports over a day take half a minute.
pub const PULL_TIMEOUT_SECONDS: u64 = 60;

/// How many bytes one answer to a pull may have: it is held in memory. A page of 1,000 events takes 2 MiB,
/// the largest hourly files seen are 60 MiB.
pub const PULL_REPLY_BYTES_MAX: usize = 128 << 20;

/// How many pages one query of a pull may have: an API that never ends its pages is one that repeats them.
pub const PULL_PAGES_MAX: u64 = 100_000;

/// How many ids of events a pull remembers, 32 bytes each: a day of 20 events a second.
pub const PULL_IDS_MAX: usize = 2_000_000;

/// Up to how many ids a checkpoint has them all; beyond it has those of its own batch, and one in
/// [`PULL_BATCHES_BACK_MAX`] has all: 22 bytes for each.
pub const PULL_IDS_WHOLE_MAX: usize = 2_000;

/// How many batches are read when a pull begins, at most, for the ids that it knows.
pub const PULL_BATCHES_BACK_MAX: u64 = 32;

/// How often a pull asks at least and at most, in seconds.
pub const PULL_EVERY_SECONDS_MIN: u64 = 60;
/// See [`PULL_EVERY_SECONDS_MIN`].
pub const PULL_EVERY_SECONDS_MAX: u64 = 86_400;

/// How often a request of a pull is tried before its round is given up; the next round tries again.
pub const PULL_TRIES_MAX: u32 = 6;

/// How long a pull waits at most because a server asks it to, in seconds, before it asks again.
pub const PULL_WAIT_SECONDS_MAX: u64 = 3600;

/// How often a query of a pull is begun anew in one round because its pages expired.
pub const PULL_RESTARTS_MAX: u32 = 3;

/// How many partitions one pull may have: each is a query of its own in every round.
pub const PULL_PARTITIONS_MAX: usize = 200;

/// How many pages the list of partitions may have that an API names: with ten on a page, more than
/// [`PULL_PARTITIONS_MAX`] by far.
pub const PULL_LIST_PAGES_MAX: usize = 100;

/// How many bytes the name of a partition may have that an API names: it is part of every event's origin.
pub const PULL_PARTITION_BYTES_MAX: usize = 256;

/// How many characters of a server's refusal an error shows.
pub const PULL_ANSWER_CHARS_MAX: usize = 200;

/// How many days before a credential ends it is told of: time to get a new one approved.
pub const PULL_CREDENTIAL_DAYS_LEFT: u64 = 14;

/// How many connections a listener for syslog has open at once: past it, others wait to be accepted. One
/// takes some 20 KiB, with TLS some 60 KiB.
pub const SYSLOG_CONNECTIONS_MAX: usize = 4096;

/// How many bytes a message of syslog may have: longer ones are stored in pieces. Senders cut theirs at
/// 2 KiB to 64 KiB; Windows events as XML reach a few hundred KiB.
pub const SYSLOG_MESSAGE_BYTES_MAX: usize = 1 << 20;

/// For how long a connection may bring nothing before it is closed, in seconds. A day: senders whose
/// connection was closed lose what they send before they notice, as the protocol has no answers.
pub const SYSLOG_IDLE_SECONDS: u64 = 86_400;

/// How long a sender may take to agree on TLS, in seconds.
pub const SYSLOG_HANDSHAKE_SECONDS: u64 = 10;

/// For how long connections are still read once dab is to end, in milliseconds, as long as something
/// comes: what senders have on the way.
pub const SYSLOG_DRAIN_MILLISECONDS: u64 = 2000;

/// The longest gap in that, in milliseconds.
pub const SYSLOG_DRAIN_GAP_MILLISECONDS: u64 = 200;

/// How many bytes of messages are queued as one request.
pub const SYSLOG_REQUEST_BYTES: usize = 4 << 20;

/// How long a message waits for others of its listener to be queued along with it, in milliseconds.
pub const SYSLOG_GATHER_MILLISECONDS: u64 = 50;

/// How many bytes of messages of one listener wait for their commit: past it, connections are not read.
pub const SYSLOG_WAITING_BYTES_MAX: usize = 64 << 20;

/// How many pieces of connections wait to be gathered: 64 KiB each, as a rule.
pub const SYSLOG_PIECES_MAX: usize = 64;

/// The receive buffer asked of the system for a UDP socket, in bytes: a second's bursts. The system may
/// give less.
pub const SYSLOG_UDP_BUFFER_BYTES: usize = 8 << 20;

/// How many senders' rates are remembered: addresses of UDP packets can be made up.
pub const SYSLOG_SENDERS_MAX: usize = 100_000;

/// How many bytes of a file a log source is suggested from: some thousand records.
pub const SUGGEST_BYTES_MAX: usize = 1 << 20;

/// How many records a log source is suggested from: each is decoded some hundred times.
pub const SUGGEST_RECORDS_MAX: usize = 500;

/// How many fields that are new in a source the status names.
pub const STATUS_NEW_FIELDS_MAX: usize = 20;

/// How many announcements of new objects are held at once: a few KiB each, and a request to the store to begin with.
pub const ANNOUNCED_MAX: usize = 1000;

/// How many objects a message may announce: S3 sends one, and its form allows any number.
pub const ANNOUNCED_OBJECTS_MAX: usize = 1000;

/// How many announced objects are looked at side by side.
pub const ANNOUNCED_LOOKS: usize = 16;

/// How often the store may refuse an announced object before it goes to the quarantine: some five minutes.
pub const ANNOUNCED_TRIES_MAX: u32 = 10;

/// How often a location is listed whose objects are announced, in seconds: only what was never announced, or whose
/// announcement was lost, waits for that.
pub const ANNOUNCED_LIST_SECONDS: u64 = 3600;
