//! Regular expressions, networks, ranges, the words of other languages, and the commands that
//! compute.

use std::sync::Arc;

use base::{Object, Problem, Timestamp, Value};

use super::{company, csv, ids, search};
use crate::query::{Engine, Lookups};

#[tokio::test]
async fn conditions_know_more_than_words() {
    let engine = company().await;
    for (line, expected) in [
        ("eventName:/^console/", "c2 c1"),
        ("eventName:/login$|trail$/", "c4 c2 c1"),
        ("status:/^4\\d\\d$/", "w1 c3"),
        ("agent:/curl\\/\\d/", "w1"),
        ("*:/^arn:t/", "c3"),
        ("*:/seen|down/", "c4 c1"),
        ("user.ip:10.0.0.0/26", "c3"),
        ("user.ip:10.0.0.0/8", "c4 c3"),
        ("-user.ip:10.0.0.0/26 index:cloud", "c4 c2 c1"),
        ("*:10.0.0.0/24", "c4 c3"),
        ("user.ip:[10.0.0.2 TO 10.0.0.200]", "c4"),
        ("status:[400 TO 499]", "w1 c3"),
        ("status:{403 TO *]", "c4 w1"),
        ("status:[* TO 200]", "w2 c1"),
        ("time:[2026-11-02T11:00:00Z TO 2026-11-02T11:30:00Z]", "w2 w1"),
        ("_exists_:user.ip", "c4 c3"),
        ("eventName IN (AssumeRole, Delete*)", "c4 c3"),
        ("* | where eventName in (\"AssumeRole\", 'x')", "c3"),
        ("* | where agent has \"alice\"", "w1"),
        ("* | where agent !has \"alice\"", ""),
        ("* | where eventName contains \"sol\"", "c2 c1"),
        ("* | where eventName !contains \"sol\"", "c4 c3"),
        ("* | where eventName startswith \"assume\" or x", ""),
        ("* | where eventName startswith \"assume\"", "c3"),
        ("* | where eventName endswith \"role\"", "c3"),
        ("* | where eventName matches regex \"^(Assume|Delete)\"", "c4 c3"),
        ("* | where eventName =~ \"assumerole\"", "c3"),
        ("* | where eventName !~ \"assumerole\" | where status > 400", "c4"),
        ("* | where status between (400 .. 499)", "w1 c3"),
        ("* | where status between 400 and 499", "w1 c3"),
        ("* | where status !between (400 .. 499) and index_is_a_field", ""),
        ("* | where eventName like \"Console%\"", "c2 c1"),
        ("* | where eventName like \"_ssumeRole\"", "c3"),
        ("* | where user.ip is null index:x", ""),
        ("* | where user.ip is null", "w2 w1 c2 c1"),
        ("* | where user.ip is not null", "c4 c3"),
        ("* | where isnull(user.ip) status = 200", "w2 c1"),
        ("* | where isnotempty(user.ip)", "c4 c3"),
        ("* | where cidrmatch(\"10.0.0.64/26\", user.ip)", "c4"),
        ("* | where ipv4_is_in_range(user.ip, \"10.0.0.0/26\")", "c3"),
        ("* | where match(eventName, \"^A\") OR like(eventName, \"Del%\")", "c4 c3"),
        ("* | where agent has_any (\"curl\", \"wget\")", "w1"),
        ("* | where agent has_all (\"curl\", \"alice\")", "w1"),
        ("* | where agent has_all (\"curl\", \"bob\")", ""),
        ("* | regex eventName=\"^Con\"", "c2 c1"),
        ("index:cloud | regex eventName!=\"^Con\"", "c4 c3"),
        ("* | search alice OR verb:POST", "w2 w1 c3 c1"),
    ] {
        let expected: Vec<&str> = expected.split(' ').filter(|id| !id.is_empty()).collect();
        let found = search(&engine, line).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(ids(&found), expected, "{line}");
    }
}

/// A lookup table that says which team a person is in.
#[derive(Debug)]
struct Teams;

impl Lookups for Teams {
    fn names(&self) -> Vec<String> {
        vec!["teams".to_owned()]
    }

    fn columns(&self, table: &str) -> Option<Vec<String>> {
        (table == "teams").then(|| vec!["team".to_owned(), "level".to_owned()])
    }

    fn find(&self, table: &str, key: &str, at: Option<Timestamp>) -> Option<Arc<Object<'static>>> {
        let first_day = at.is_some_and(|at| at < Timestamp::parse("2026-11-02T00:00:00Z").unwrap());
        (table == "teams" && key == "alice").then(|| {
            let mut row = Object::new();
            row.push("team", Value::text(if first_day { "blue" } else { "red" }));
            row.push("level", Value::Int(7));
            Arc::new(row)
        })
    }
}

async fn with_teams() -> Engine {
    company().await.with_lookups(Arc::new(Teams))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn commands_compute() {
    let engine = with_teams().await;
    for (line, expected) in [
        (
            "index:web | eval kb = bytes / 1000, big = kb > 1 | fields event_id, kb, big",
            "event_id,kb,big\nw2,3,true\nw1,0,false\n",
        ),
        // Numbers that the log wrote as text, and fields that have no column.
        (
            "index:web | eval class = status / 100, older = user.age + 1 | fields class, older",
            "class,older\n2.0,\n4.04,\n",
        ),
        ("index:cloud c1 | eval older = user.age + 1 | fields older", "older\n42.0\n"),
        (
            "* | eval kind = if(status >= 400, \"bad\", 'good') | stats count by kind",
            "kind,count\nbad,3\ngood,3\n",
        ),
        (
            "index:cloud | eval k = case(eventName = 'AssumeRole', 1, match(eventName, \"^Con\"), 2, 3) \
             | fields k",
            "k\n3\n1\n2\n2\n",
        ),
        (
            "index:cloud | eval who = upper(user.name) || \"@\" || log_source | head 1 | where who:*@cloud \
             | sort who | head 1 | fields who",
            "who\nMALLORY\\u{1b}[31M@cloud\n",
        ),
        ("* | eval event = 1 | stats sum(event) as n", "n\n6\n"),
        // What is computed is there for conditions, and replaces what was.
        ("* | eval eventName = 'x' | where eventName:x | count", "count\n6\n"),
        ("* | eval eventName = null | where eventName:* | count", "count\n0\n"),
        (
            "* | stats count as n by log_source | eval half = n / 2 | sort half | fields half",
            "half\n1\n2\n",
        ),
        (
            "index:cloud | extend inside = cidrmatch(\"10.0.0.0/26\", user.ip) | stats count by inside",
            "inside,count\nfalse,1\ntrue,1\n",
        ),
        // Groups of a regular expression; a field stays where nothing is found.
        (
            "index:web | rex field=agent \"(?<tool>\\w+)/(?<version>\\d+)\" | fields tool, version",
            "tool,version\n,\ncurl,8\n",
        ),
        (
            "index:web | rex field=verb \"^(?<status>PO)\" | sort event_id | fields status",
            "status\n404\nPO\n",
        ),
        ("index:web | rex agent \"(?<tool>\\w+)/\" | where tool:curl | count", "count\n1\n"),
        // Lookups, as of the event's time.
        (
            "index:cloud | lookup teams user.name output team, level as l | fields team, l",
            "team,l\n,\nred,7\n,\nblue,7\n",
        ),
        ("* | lookup teams user.name | where team:red | count", "count\n1\n"),
        (
            "* | stats count by user.name | lookup teams name as user.name output team",
            "user.name,count,team\nalice,2,red\nbob,1,\nmallory\\u{1b}[31m,1,\n",
        ),
        // Joins.
        (
            "index:cloud | join user.name [index:cloud | stats count as n by user.name] \
             | sort event_id | fields event_id, n",
            "event_id,n\nc1,2\nc2,1\nc3,2\nc4,1\n",
        ),
        (
            "index:cloud | join user.name [index:cloud status:403 | stats count as n by user.name] \
             | sort event_id | fields event_id, n",
            "event_id,n\nc1,1\nc3,1\n",
        ),
        (
            "index:cloud | join type=left user.name [index:cloud status:[400 TO 450] \
             | stats count as n by user.name] | where n:1 | sort event_id | fields event_id",
            "event_id\nc1\nc3\n",
        ),
        (
            "index:cloud | join type=left user.name [index:cloud status:403 \
             | stats count as n by user.name] | stats count by log_source",
            "log_source,count\ncloud,4\n",
        ),
        // A number on one side, its text on the other.
        (
            "index:web | join status [index:cloud | stats count as n by status] | fields event_id, n",
            "event_id,n\nw2,1\n",
        ),
        // SQL over the rows so far.
        (
            "index:cloud | sql SELECT user.name AS who, count(*) AS n FROM events GROUP BY user.name \
             HAVING count(*) > 1",
            "who,n\nalice,2\n",
        ),
        (
            "* | stats count by log_source | sql SELECT sum(count) AS total FROM events",
            "total\n6\n",
        ),
        (
            "index:cloud | sql SELECT e.event_id, row_number() OVER (ORDER BY e.time) AS n FROM events e \
             QUALIFY n <= 2 ORDER BY n",
            "event_id,n\nc1,1\nc2,2\n",
        ),
        // Kusto's names.
        (
            "index:cloud | summarize n = count() by eventName | order by n, eventName asc | take 2",
            "eventName,n\nConsoleLogin,2\nAssumeRole,1\n",
        ),
        ("index:web | top 1 by bytes | project event_id", "event_id\nw2\n"),
        (
            "index:cloud | distinct eventName | sort eventName | limit 2",
            "eventName\nAssumeRole\nConsoleLogin\n",
        ),
        (
            "* | stats count by log_source | project-rename n = count | project-away log_source",
            "n\n4\n2\n",
        ),
        (
            "index:web | stats median(bytes) list(verb) stdev(bytes) as s | eval s = round(s) ",
            "median(bytes),list(verb),s\n1506.0,\"[\"\"GET\"\",\"\"POST\"\"]\",2113.0\n",
        ),
    ] {
        let rows = search(&engine, line).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(csv(&rows), expected, "{line}");
    }
}

#[tokio::test]
async fn computed_fields_are_part_of_the_event() {
    let engine = with_teams().await;
    let rows = search(&engine, "index:cloud c3 | eval a.b = 1 + 1 | lookup teams user.name").await;
    let shown = csv(&rows.unwrap());
    assert!(shown.starts_with("time,log_source,a.b,team,level,event\n"), "{shown}");
    assert!(shown.contains(r#"""a.b"":2,""team"":""red"",""level"":""7"""#), "{shown}");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn mistakes_are_shown_where_they_are() {
    let engine = with_teams().await;
    for (line, expected) in [
        (
            "x:/ab(c/",
            "\
error[DAB0524]: the regular expression is wrong: unclosed group
  | x:/ab(c/
  |      ^
  --> query:1:6
  help: in `/…/` write `\\/` for a slash; put a path in quotes to search for its text",
        ),
        (
            "ip:10.0.0.0/33",
            "\
error[DAB0524]: `/33` is not between /0 and /32
  | ip:10.0.0.0/33
  |    ^
  --> query:1:4
  help: put it in quotes to search for the text",
        ),
        (
            "status:[9 TO 1]",
            "\
error[DAB0524]: the range is empty: its end is before its begin
  | status:[9 TO 1]
  |        ^
  --> query:1:8
  help: write numbers, times or addresses, and `*` for no bound: `[400 TO 499]`",
        ),
        (
            "* | where like(x)",
            "\
error[DAB0524]: `like` needs a second value
  | * | where like(x)
  |           ^
  --> query:1:11
  help: write `isnull(field)`, `like(field, \"a%\")`, for example",
        ),
        (
            "* | evl x = 1",
            "\
error[DAB0525]: there is no pipe command `evl`
  | * | evl x = 1
  |     ^
  --> query:1:5
  help: did you mean `eval`? the commands are count, dedup, distinct, eval, extend, fields, head, \
join, limit, lookup, order, project, project-away, project-rename, rare, regex, rename, rex, search, \
sort, sql, stats, summarize, table, tail, take, timechart, top, where",
        ),
        (
            "* | eval x = bytes +",
            "\
error[DAB0526]: expected: an expression, found: EOF
  | * | eval x = bytes +
  |                     ^
  --> query:1:21
  help: write SQL: text in quotes, a field's name in backticks if it has special characters",
        ),
        (
            "* | eval x = uper(verb)",
            "\
error[DAB0526]: invalid function 'uper'
  | * | eval x = uper(verb)
  |              ^
  --> query:1:14",
        ),
        (
            "* | stats count by verb | eval x = cuont + 1",
            "\
error[DAB0526]: there is no field `cuont` at this point
  | * | stats count by verb | eval x = cuont + 1
  |                           ^
  --> query:1:27
  help: did you mean `count`?",
        ),
        (
            "* | rex field=agent \"(\\w+)\"",
            "\
error[DAB0526]: the regular expression names no group
  | * | rex field=agent \"(\\w+)\"
  |                     ^
  --> query:1:21
  help: write `rex field=user_agent \"(?<browser>\\w+)/\"`",
        ),
        (
            "* | lookup team user.name",
            "\
error[DAB0526]: there is no lookup table `team`; did you mean `teams`?
  | * | lookup team user.name
  |     ^
  --> query:1:5",
        ),
        (
            "* | lookup teams user.name output lvl",
            "\
error[DAB0526]: the lookup table `teams` has no column `lvl`; there are team, level
  | * | lookup teams user.name output lvl
  |     ^
  --> query:1:5",
        ),
        (
            "* | join user.name [index:web]",
            "\
error[DAB0526]: the search in brackets makes events, not columns
  | * | join user.name [index:web]
  |     ^
  --> query:1:5
  help: end it with `stats`, `fields` or another command that makes columns",
        ),
        (
            "* | join user.name [index:web | stats count by verb",
            "\
error[DAB0524]: the bracket has no end
  | * | join user.name [index:web | stats count by verb
  |                    ^
  --> query:1:20
  help: add a `]`",
        ),
        (
            "* | sql DROP TABLE events",
            "\
error[DAB0526]: one `SELECT` was expected here
  | * | sql DROP TABLE events
  |         ^
  --> query:1:9
  help: write `sql SELECT … FROM events`, with no command behind it",
        ),
        (
            "* | sql SELECT * FROM cloud",
            "\
error[DAB0526]: table 'datafusion.public.cloud' not found
  | * | sql SELECT * FROM cloud
  |         ^
  --> query:1:9",
        ),
    ] {
        let error = search(&engine, line).await.map(|rows| csv(&rows)).unwrap_err();
        assert_eq!(Problem::from(error).to_string(), expected, "{line}");
    }
}
