//! What search lines mean, and what is said of those that mean nothing.

use base::{Problem, Timestamp};

use super::{company, csv, ids, search};
use crate::query::{Rows, TimeRange};

#[tokio::test]
async fn lines_find_events_newest_first() {
    let engine = company().await;
    for (line, expected) in [
        ("", "c4 w2 w1 c3 c2 c1"),
        ("alice", "w1 c3 c1"),
        ("index:cloud alice", "c3 c1"),
        ("index=web,cloud alice", "w1 c3 c1"),
        ("index:(web cloud) alice", "w1 c3 c1"),
        ("index:al*", "a1"),
        // A number is found in text, in a column of numbers and where it is a string.
        ("200", "w2 c1"),
        ("status:200", "w2 c1"),
        ("status:>=403", "c4 w1 c3"),
        ("status>=403 index:cloud", "c4 c3"),
        ("status:(denied 5*)", "c4 c2"),
        ("status:(denied, 5*)", "c4 c2"),
        ("status:(denied,>=500)", "c4 c2"),
        ("STATUS:denied", "c2"),
        ("-alice", "c4 w2 c2"),
        ("NOT (alice OR status:200)", "c4 c2"),
        ("consolelogin OR verb:get", "w1 c2 c1"),
        ("console*", "c2 c1"),
        ("console", ""),
        // What appeared later is null in earlier files.
        ("user.ip:*", "c4 c3"),
        ("user.mfa.kind:totp", "c3"),
        // Members that have no column, and what has none at all.
        ("user.age:>40", "c1"),
        ("extra:seen", "c1"),
        ("seen", "c1"),
        ("down", "c4"),
        ("deep.er.still:1", "c4"),
        ("still", ""),
        ("\"time zone\":CET", "c4"),
        ("tags:red", "c3"),
        ("tags:blue", ""),
        ("\"blue sky\"", "c3"),
        ("resources.ARN:arn:two", "c3"),
        ("\"arn:two\"", "c3"),
        ("event_id:w1", "w1"),
        ("time:>=2026-11-02T11:30:00Z", "c4 w2"),
        ("10.0.0.6", ""),
        ("10.0.0.6*", "c4"),
        ("status!=200 index:cloud", "c4 c3 c2"),
        ("* | where status > 400 and", ""),
        ("* | where status > 400 | head 2", "table"),
    ] {
        let expected: Vec<&str> = expected.split(' ').filter(|id| !id.is_empty()).collect();
        let found = search(&engine, line).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        if expected != ["table"] {
            assert_eq!(ids(&found), expected, "{line}");
        }
    }
}

#[tokio::test]
async fn the_range_begins_with_its_first_time_and_ends_before_its_last() {
    let engine = company().await;
    let at = |text| Timestamp::parse(text);
    let range = TimeRange { from: at("2026-11-01T11:00:00Z"), to: at("2026-11-02T11:30:00Z") };
    assert_eq!(ids(&engine.search("", &range, None).await.unwrap()), ["w1", "c3", "c2"]);
    assert_eq!(ids(&engine.search("", &range, Some(2)).await.unwrap()), ["w1", "c3"]);
    assert_eq!(ids(&engine.search("", &range, Some(0)).await.unwrap()), [""; 0]);
    let counted = engine.search("* | count", &range, None).await.unwrap();
    assert_eq!(csv(&counted), "count\n3\n");
}

#[tokio::test]
async fn pipes_make_tables() {
    let engine = company().await;
    for (line, expected) in [
        ("* | count", "count\n6\n"),
        (
            "index:cloud | stats count by eventName | sort -count, eventName",
            "eventName,count\nConsoleLogin,2\nAssumeRole,1\nDeleteTrail,1\n",
        ),
        (
            "index:web | stats sum(bytes) as total, avg(bytes), max(bytes), dc(verb) by log_source",
            "log_source,total,avg(bytes),max(bytes),dc(verb)\nweb,3012,1506.0,3000,2\n",
        ),
        (
            "index:cloud | stats values(user.name) as who by eventName | where eventName=ConsoleLogin",
            "eventName,who\nConsoleLogin,\"[\"\"alice\"\",\"\"bob\"\"]\"\n",
        ),
        (
            "index:cloud | stats first(eventName) last(eventName) first(user.age)",
            "first(eventName),last(eventName),first(user.age)\nConsoleLogin,DeleteTrail,41\n",
        ),
        ("index:cloud | top 1 eventName", "eventName,count\nConsoleLogin,2\n"),
        ("index:cloud | rare 2 eventName", "eventName,count\nAssumeRole,1\nDeleteTrail,1\n"),
        (
            "index:cloud | fields event_id, user.name | head 2",
            "event_id,user.name\nc4,mallory\\u{1b}[31m\nc3,alice\n",
        ),
        ("index:cloud | sort user.age, status | fields event_id | head 1", "event_id\nc1\n"),
        ("index:cloud | dedup eventName | fields event_id", "event_id\nc4\nc3\nc2\n"),
        ("* | tail 2 | fields event_id", "event_id\nc2\nc1\n"),
        (
            "index:cloud | stats count as n by eventName | rename n as times, eventName as what \
          | sort -times | head 1",
            "what,times\nConsoleLogin,2\n",
        ),
        (
            "* | timechart span=1d count",
            "time,count\n2026-11-01T00:00:00Z,2\n2026-11-02T00:00:00Z,4\n",
        ),
        (
            "* | timechart span=1d dc(user.name) as users by log_source | where users > 1",
            "time,log_source,users\n2026-11-01T00:00:00Z,cloud,2\n2026-11-02T00:00:00Z,cloud,2\n",
        ),
        (
            "* | stats dc(user.name) by log_source | where dc(user.name) >= 2",
            "log_source,dc(user.name)\ncloud,3\n",
        ),
        ("* | stats count by status | where status = 404", "status,count\n404,1\n"),
        ("index:cloud | stats count by user.mfa.kind", "user.mfa.kind,count\ntotp,1\n"),
        (
            "index:cloud | stats count by resources.ARN",
            "resources.ARN,count\n\"[\"\"arn:one\"\",\"\"arn:two\"\"]\",1\n",
        ),
        ("nothing_is_here | stats count by x", "x,count\n"),
    ] {
        let rows = search(&engine, line).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(csv(&rows), expected, "{line}");
    }
}

#[tokio::test]
async fn names_hold_from_the_command_that_gives_them() {
    let engine = company().await;
    for (line, expected) in [
        // A field may be called what the whole event is called in the answer.
        ("* | stats count by event", "event,count\nhit,1\n"),
        ("event:hit | fields event", "event\nhit\n"),
        // Conditions see the names that hold at their place.
        (
            "* | rename user.name as who | where who:alice | stats count by who",
            "who,count\nalice,2\n",
        ),
        ("* | rename user.name as who | where user.name:alice | stats count by who", "who,count\n"),
        (
            "index:cloud | rename eventName as status, status as eventName | where status:Assume* \
             | fields eventName, status",
            "eventName,status\n403,AssumeRole\n",
        ),
        (
            "index:cloud | stats count as n by eventName | rename n as eventName | where eventName=2",
            "eventName\n2\n",
        ),
        (
            "index:cloud | rename time as at | sort at | fields at | head 1",
            "at\n2026-11-01T10:00:00Z\n",
        ),
        // `fields -` acts on what comes after it only.
        ("* | stats count by eventName | fields - eventName | head 1", "count\n1\n"),
        (
            "* | where user.name:bob | stats count by user.name | fields - user",
            "user.name,count\nbob,1\n",
        ),
        (
            "index:cloud | head 4 | where alice | fields - user | where alice | stats count",
            "count\n0\n",
        ),
    ] {
        let rows = search(&engine, line).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(csv(&rows), expected, "{line}");
    }
}

#[tokio::test]
async fn commands_that_keep_events_keep_them_whole() {
    let engine = company().await;
    let rows = search(&engine, "index:cloud | where status > 400 | sort status | head 1").await;
    let shown = csv(&rows.unwrap());
    assert!(shown.contains("arn:two") && shown.contains("c3"), "{shown}");
    let rows = search(&engine, "index:cloud c4 | fields - deep.er, user").await.unwrap();
    let shown = csv(&rows);
    assert!(shown.contains("DeleteTrail") && shown.contains("\"\"deep\"\":{}"), "{shown}");
    assert!(!shown.contains("mallory"), "{shown}");
    // What comes before still sees what is left out later.
    let rows = search(&engine, "* | head 9 | where mallory* | fields - user").await.unwrap();
    let shown = csv(&rows);
    assert!(shown.contains("DeleteTrail") && !shown.contains("mallory"), "{shown}");
    let rows = search(
        &engine,
        "index:cloud c1 | rename user.name as who, time as at | fields - log_source",
    );
    let shown = csv(&rows.await.unwrap());
    assert!(shown.starts_with("at,event\n2026-11-01T10:00:00Z,"), "{shown}");
    assert!(shown.contains(r#""who"":""alice"#) && !shown.contains(r#""name"""#), "{shown}");
    let rows = search(&engine, "index:cloud c3 | fields - resources.ARN").await.unwrap();
    let shown = csv(&rows);
    assert!(shown.contains(r#"[{""n"":1},{}]"#), "{shown}");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn mistakes_are_shown_where_they_are() {
    let engine = company().await;
    for (line, expected) in [
        (
            "a \"b",
            "\
error[DAB0524]: the quoted phrase has no end
  | a \"b
  |   ^
  --> query:1:3
  help: add a `\"`; a backslash before the last `\"` is written `\\\\`",
        ),
        (
            "(a OR b",
            "\
error[DAB0524]: the parenthesis has no end
  | (a OR b
  | ^
  --> query:1:1
  help: add a `)`",
        ),
        (
            "x:>abc OR y:>=abc",
            "\
error[DAB0524]: only numbers and times can be larger or smaller
  | x:>abc OR y:>=abc
  |    ^
  --> query:1:4
  help: write a number, or a time such as `2026-11-24T08:00:00Z`",
        ),
        (
            "a OR index:b",
            "\
error[DAB0524]: `index` chooses the tables of the whole search, so it can't stand under `OR`, \
`NOT` or in parentheses
  | a OR index:b
  |      ^
  --> query:1:6
  help: move it to the beginning, several tables divided by commas",
        ),
        (
            "index:clout x",
            "\
error[DAB0522]: there is no table `clout`
  | index:clout x
  |       ^
  --> query:1:7
  help: did you mean `cloud`?",
        ),
        (
            "* | stat count",
            "\
error[DAB0525]: there is no pipe command `stat`
  | * | stat count
  |     ^
  --> query:1:5
  help: did you mean `stats`? the commands are count, dedup, distinct, eval, extend, fields, head, \
join, limit, lookup, order, project, project-away, project-rename, rare, regex, rename, rex, search, \
sort, sql, stats, summarize, table, tail, take, timechart, top, where",
        ),
        (
            "* | fields a, b, a",
            "\
error[DAB0526]: `a` is named twice
  | * | fields a, b, a
  |                  ^
  --> query:1:18
  help: leave one of them out",
        ),
        (
            "* | rename a as c, b as c",
            "\
error[DAB0526]: two fields would be named `c`
  | * | rename a as c, b as c
  |                         ^
  --> query:1:25
  help: give one of them another name",
        ),
        (
            "* | top 3 count",
            "\
error[DAB0526]: two columns would be named `count`
  | * | top 3 count
  |     ^
  --> query:1:5
  help: name the figure with `as`, or `rename` the field first",
        ),
        (
            "* | stats count by x | timechart count",
            "\
error[DAB0526]: the rows have no `time` at this point
  | * | stats count by x | timechart count
  |                        ^
  --> query:1:24
  help: put `timechart` before the commands that leave `time` out",
        ),
        (
            "* | timechart count by time",
            "\
error[DAB0526]: `timechart` already has a column `time`
  | * | timechart count by time
  |     ^
  --> query:1:5
  help: leave it out after `by`",
        ),
        (
            "* | stats cuont by x",
            "\
error[DAB0526]: there is no function `cuont`
  | * | stats cuont by x
  |           ^
  --> query:1:11
  help: did you mean `count`? the functions are count, dc, distinct_count, dcount, sum, avg, mean, \
min, max, values, make_set, list, make_list, first, last, median, stdev, stddev",
        ),
        (
            "* | stats count by verb | sort -cuont",
            "\
error[DAB0526]: there is no field `cuont` at this point
  | * | stats count by verb | sort -cuont
  |                           ^
  --> query:1:27
  help: did you mean `count`?",
        ),
        (
            "* | head five",
            "\
error[DAB0526]: a number of rows was expected here
  | * | head five
  |          ^
  --> query:1:10
  help: write it in digits, and a `|` before the next command",
        ),
    ] {
        let error = search(&engine, line).await.map(|rows| csv(&rows)).unwrap_err();
        assert_eq!(Problem::from(error).to_string(), expected, "{line}");
    }
}

#[tokio::test]
async fn lines_without_end_are_refused() {
    let engine = company().await;
    for line in ["(".repeat(1000), "a ".repeat(2000), "a".repeat(300 << 10), "-".repeat(9) + "a"] {
        let result = search(&engine, &line).await;
        assert_eq!(result.is_err(), !line.starts_with('-'));
    }
    let Rows::Events(events) =
        search(&engine, &"NOT ".repeat(40)).await.unwrap_or(Rows::Events(vec![]))
    else {
        panic!("rows of columns")
    };
    assert_eq!(events, []);
}
