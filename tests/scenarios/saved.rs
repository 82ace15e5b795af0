//! Saved searches: kept in the lake and in files, asked with values; and lookup tables in searches.

use crate::harness::{Project, events};

fn project() -> Project {
    let project = Project::ndjson("saved_searches: [./searches]\ndetections: [./rules]");
    project.write("in/a.ndjson", &events(0, 20));
    project.write(
        "searches/from_n.yml",
        b"name: from_n\nowner: kim\ndescription: From a number on\nparameters:\n  \
          n: {type: number, default: \"18\"}\nsearch: index:plain n:>=${n} | stats count\n",
    );
    project
        .write("rules/tables.yml", b"lookups:\n  - {name: numbers, file: numbers.csv, key: n}\n");
    project.write("rules/numbers.csv", b"n,word\n3,three\n4,four\n");
    project.ok(&["run", "--once"]);
    project
}

#[test]
fn searches_are_kept_under_a_name_and_asked_with_values() {
    let project = project();
    assert_eq!(project.json(&["search", "@from_n"])[0]["count"], 2);
    assert_eq!(project.json(&["search", "@from_n", "n=15"])[0]["count"], 5);

    let line = "index:plain user:${who} | stats count";
    let save = ["search", "--save", "of", "--parameter", "who", "--owner", "lee", line];
    project.ok(&save);
    let taken = project.run(&save);
    assert_eq!(taken.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&taken.stderr).contains("error[DAB0553]"));
    project.ok(&["search", "--save", "of", "--replace", "--parameter", "who=u1", line]);
    let all = project.json(&["search", "@of"])[0]["count"].as_u64().unwrap();
    assert!(all > 0);
    // What would be another condition, were it read again.
    for value in ["who=u1 OR *", "who=* | head 1", "who=\" OR \"", "who=u*"] {
        assert_eq!(project.json(&["search", "@of", value])[0]["count"], 0, "{value}");
    }

    let sql = "SELECT count(*) AS c FROM plain WHERE n < ${n} AND \"user\" <> ${no}";
    let kept = ["--parameter", "n:number", "--parameter", "no=x"];
    project.ok(&[&["search", "--save", "below", "--sql"], &kept[..], &[sql]].concat());
    assert_eq!(project.json(&["search", "@below", "n=3"])[0]["c"], 3);
    assert_eq!(project.json(&["search", "@below", "n=3", "no=' OR '1'='1"])[0]["c"], 3);

    let names = project.json(&["searches", "list"]);
    let names: Vec<&str> = names.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["below", "from_n", "of"]);
    let shown = project.ok(&["searches", "show", "from_n"]);
    assert!(
        shown.contains("owner: kim\n") && shown.contains("parameter: n, number, `18`"),
        "{shown}"
    );
    project.ok(&["searches", "delete", "of"]);
    for (args, code) in [
        (vec!["search", "@of"], "DAB0552"),
        (vec!["search", "@from_n", "m=1"], "DAB0551"),
        (vec!["search", "@from_n", "n=1 OR 1"], "DAB0551"),
        (vec!["search", "@below"], "DAB0551"),
        (vec!["search", "u1", "n=1"], "DAB0551"),
        (vec!["searches", "delete", "from_n"], "DAB0550"),
        (vec!["search", "--save", "from_n", "x"], "DAB0550"),
        (vec!["search", "--save", "bad", "x:${y}"], "DAB0550"),
    ] {
        let failed = project.run(&args);
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(said.contains(&format!("error[{code}]")), "{args:?}: {said}");
        assert_eq!(failed.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn searches_and_sql_ask_lookup_tables() {
    let project = project();
    let line =
        "index:plain | lookup numbers n output word | where word:* | sort n | fields n, word";
    let found = project.json(&["search", line]);
    assert_eq!(found.len(), 2);
    assert_eq!((&found[0]["word"], &found[1]["word"]), (&"three".into(), &"four".into()));
    let sql = "SELECT n FROM plain WHERE lookup('numbers', CAST(n AS VARCHAR), 'word') = 'four'";
    assert_eq!(project.json(&["sql", sql])[0]["n"], 4);
}
