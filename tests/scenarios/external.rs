//! Files of others as tables: declared in the settings, written by programs of others.

use std::process::Command;

use crate::harness::{Project, events, tool};

const SETTINGS: &str = "detections: [./rules]\nexternal_tables:\n\
    - {name: words, from: data/words.csv, types: {n: int}}\n\
    - {name: gone, from: data/gone.parquet}\n";

#[test]
fn declared_files_are_read_by_sql_and_by_lookup_tables() {
    let project = Project::ndjson(SETTINGS);
    project.write("in/a.ndjson", &events(0, 20));
    project.write("data/words.csv", b"n,word\n3,three\n4,four\n");
    project.write("data/other.csv", b"n,word\n5,five\n");
    project.write(
        "rules/tables.yml",
        b"lookups:\n  - {name: numbers, sql: \"SELECT n, word FROM words\", key: n, columns: {word: word}}\n",
    );
    project.write(
        "rules/named.yml",
        b"title: Named\nid: named\nlog_source: plain\ncel: list.contains(\"numbers\", string(n))\n\
          level: high\ndedup: [n]\n",
    );
    project.ok(&["run", "--once"]);
    assert_eq!(project.json(&["alerts"]).len(), 2, "the rule knows three and four");
    let joined = "SELECT p.n, w.word FROM plain p JOIN words w ON w.n = p.n ORDER BY p.n";
    let rows = project.json(&["sql", joined]);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!((&rows[1]["n"], &rows[1]["word"]), (&4.into(), &"four".into()));
    let rows =
        project.json(&["search", "index:plain | lookup numbers n OUTPUT word | where word=four"]);
    assert_eq!(rows.len(), 1, "{rows:?}");

    let tables = project.json(&["tables"]);
    let words = tables.iter().find(|table| table["table"] == "words").unwrap();
    assert_eq!(
        (&words["files"], &words["bytes"], &words["columns"]),
        (&1.into(), &22.into(), &2.into())
    );
    let refused = project.run(&["sql", "SELECT * FROM gone"]);
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "error[DAB0534]: the external table `gone` can't be read: there is nothing\n  \
         --> file:data/gone.parquet\n  \
         help: correct its `from` in the settings, or make it readable\n"
    );
    for sql in ["SELECT * FROM 'data/other.csv'", "SELECT * FROM other"] {
        assert_ne!(project.run(&["sql", sql]).status.code(), Some(0), "{sql}");
    }
    let capped = project.run(&["sql", "SELECT * FROM words", "--bytes-max", "10"]);
    assert!(String::from_utf8_lossy(&capped.stderr).contains("error[DAB0531]"));
}

#[test]
fn a_declaration_that_can_not_be_is_told_of() {
    for (table, problem) in [
        ("{name: plain, from: a.csv}", "the external table `plain` has the name of a log source"),
        ("{name: alerts, from: a.csv}", "has the name of a table of dab's own"),
        ("{name: a, from: a.txt}", "does not say what its files are"),
        ("{name: a b, from: a.csv}", "can't name an external table"),
        ("{name: a, from: a.csv, sheet: b}", "has a `sheet`, and is no XLSX"),
        ("{name: a, from: a.xlsx, delimiter: ';'}", "has a `delimiter`, and is no CSV"),
        ("{name: a, from: a.csv}, {name: A, from: b.csv}", "two external tables are called `A`"),
    ] {
        let project = Project::ndjson(&format!("external_tables: [{table}]"));
        let refused = project.run(&["run", "--once"]);
        assert_eq!(refused.status.code(), Some(3), "{table}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("error[DAB0103]") && said.contains(problem), "{table}: {said}");
    }
}

/// Excel's and Delta's own forms, as programs of others write them.
const WRITTEN: &str = r#"
import datetime, sys
import openpyxl, pyarrow as pa
from deltalake import write_deltalake
book = openpyxl.Workbook()
book.active.title = "Notes"
sheet = book.create_sheet("People")
sheet.append(["email", "age", "since", "active", "note"])
sheet.append(["kim@x", 41, datetime.date(2020, 2, 29), True, "a & b <c> \u00e9"])
sheet.append(["lee@x", 1.5, datetime.datetime(2026, 11, 24, 13, 5, 7), False, None])
book.save(sys.argv[1] + "/people.xlsx")
table = sys.argv[1] + "/tickets"
rows = pa.table({"id": [1, 2, 3], "day": pa.array([datetime.date(2026, 11, d) for d in (1, 1, 2)]),
                 "team": ["x y", "b/c", None], "info": [{"who": "kim"}, {"who": "lee"}, None]})
write_deltalake(table, rows, partition_by=["day", "team"])
more = pa.table({"id": [4], "day": pa.array([datetime.date(2026, 11, 3)]), "team": ["x y"],
                 "info": [{"who": "ada"}], "late": ["new"]})
write_deltalake(table, more, mode="append", schema_mode="merge")
from deltalake import DeltaTable
DeltaTable(table).delete("id = 2")
"#;

#[test]
fn what_programs_of_others_write_is_read() {
    let Some(python) = tool("python") else { return };
    let project = Project::new(
        "external_tables: [{name: people, from: data/people.xlsx, sheet: People, types: {age: float}}, \
         {name: tickets, from: data/tickets, format: delta}]",
    );
    let data = project.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let written = Command::new(python).args(["-c", WRITTEN]).arg(&data).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let csv = |sql: &str| project.ok(&["sql", sql, "--output", "csv"]).replace("\r\n", "\n");
    assert_eq!(
        csv("SELECT * FROM people ORDER BY age"),
        "email,age,since,active,note\nlee@x,1.5,2026-11-24T13:05:07Z,false,\n\
         kim@x,41.0,2020-02-29,true,a & b <c> é\n"
    );
    assert_eq!(
        csv(
            "SELECT id, day, team, info.who, late FROM tickets WHERE day < '2026-11-30' ORDER BY id"
        ),
        "id,day,team,info.who,late\n1,2026-11-01,x y,kim,\n3,2026-11-02,,,\n4,2026-11-03,x y,ada,new\n"
    );
}
