//! The same questions to `DuckDB` and `ClickHouse` (`chdb`) over the same files, and words to tantivy over
//! the same records. Answers must be the same.

use std::process::Command;

use serde_json::{Value, json};

use super::{
    super::{measure, project::Project},
    Bench, Failure, Runs, lines,
    report::{self, figure},
    search::needle,
};
use crate::say::say;

/// A question about one table, in the words of each engine. `{files}` are the table's files.
struct Question {
    name: &'static str,
    table: &'static str,
    dab: Dab,
    duckdb: &'static str,
    chdb: &'static str,
}

#[derive(Clone, Copy)]
enum Dab {
    Sql(&'static str),
    Search(&'static str),
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "count by a column",
        table: "bench_cloudtrail",
        dab: Dab::Sql(
            "SELECT eventSource, count(*) AS n FROM bench_cloudtrail GROUP BY eventSource \
             ORDER BY n DESC, eventSource LIMIT 10",
        ),
        duckdb: "SELECT eventSource, count(*) AS n FROM {files} GROUP BY eventSource \
             ORDER BY n DESC, eventSource LIMIT 10",
        chdb: "SELECT eventSource, count(*) AS n FROM {files} GROUP BY eventSource \
             ORDER BY n DESC, eventSource LIMIT 10",
    },
    Question {
        name: "errors of an hour, by code",
        table: "bench_cloudtrail",
        dab: Dab::Sql(
            "SELECT errorCode, count(*) AS n FROM bench_cloudtrail WHERE errorCode IS NOT NULL \
             AND time >= TIMESTAMP '2026-03-01T11:00:00Z' AND time < TIMESTAMP '2026-03-01T12:00:00Z' \
             GROUP BY errorCode ORDER BY n DESC, errorCode",
        ),
        duckdb: "SELECT errorCode, count(*) AS n FROM {files} WHERE errorCode IS NOT NULL \
             AND time >= TIMESTAMPTZ '2026-03-01 11:00:00+00' \
             AND time < TIMESTAMPTZ '2026-03-01 12:00:00+00' \
             GROUP BY errorCode ORDER BY n DESC, errorCode",
        chdb: "SELECT errorCode, count(*) AS n FROM {files} WHERE errorCode IS NOT NULL \
             AND time >= toDateTime64('2026-03-01 11:00:00', 6, 'UTC') \
             AND time < toDateTime64('2026-03-01 12:00:00', 6, 'UTC') \
             GROUP BY errorCode ORDER BY n DESC, errorCode",
    },
    Question {
        name: "an id in its column",
        table: "bench_cloudtrail",
        dab: Dab::Sql("SELECT eventName, eventSource FROM bench_cloudtrail WHERE eventID = '{id}'"),
        duckdb: "SELECT eventName, eventSource FROM {files} WHERE eventID = '{id}'",
        chdb: "SELECT eventName, eventSource FROM {files} WHERE eventID = '{id}'",
    },
    Question {
        name: "an id in any column",
        table: "bench_cloudtrail",
        dab: Dab::Search("{id} index:bench_cloudtrail | stats count"),
        duckdb: "SELECT count(*) FROM {files} AS t WHERE CAST(t AS VARCHAR) ILIKE '%{id}%'",
        chdb: "SELECT count() FROM {files} \
             WHERE positionCaseInsensitive(toString(tuple(*)), '{id}') > 0",
    },
    Question {
        name: "a part of a path",
        table: "nginx_access",
        dab: Dab::Sql(
            "SELECT path, status FROM nginx_access WHERE path ILIKE '%voke-zharkl%' ORDER BY path",
        ),
        duckdb: "SELECT path, status FROM {files} WHERE path ILIKE '%voke-zharkl%' ORDER BY path",
        chdb: "SELECT path, status FROM {files} WHERE path ILIKE '%voke-zharkl%' ORDER BY path",
    },
    Question {
        name: "an expression over paths",
        table: "nginx_access",
        dab: Dab::Sql(
            r"SELECT path, status FROM nginx_access WHERE path ~ 'voke-zhark[a-z]+[0-9]+\.ps1' ORDER BY path",
        ),
        duckdb: r"SELECT path, status FROM {files} WHERE regexp_matches(path, 'voke-zhark[a-z]+[0-9]+\.ps1') ORDER BY path",
        chdb: r"SELECT path, status FROM {files} WHERE match(path, 'voke-zhark[a-z]+[0-9]+\\.ps1') ORDER BY path",
    },
];

/// What is asked of all records, by `dab search` and by tantivy.
const WORDS: &[(&str, &str)] =
    &[("id", "{id}"), ("address", "{address}"), ("user", "{user}"), ("absent", "quetzalcoatlus")];

type Rows = Vec<Vec<String>>;

/// Asks everybody everything.
pub(super) fn measure(bench: &Bench, project: &Project) -> Result<Value, Failure> {
    let engines: Vec<(&str, Option<String>)> = ["duckdb", "chdb", "tantivy"]
        .map(|engine| (engine, version(bench, engine)))
        .into_iter()
        .collect();
    for (engine, version) in &engines {
        match version {
            Some(version) => say(&format!("{engine} {version}")),
            None => say(&format!("skipped: {engine} is not installed")),
        }
    }
    let has =
        |engine: &str| engines.iter().any(|(name, version)| *name == engine && version.is_some());
    let sql: Vec<&str> = ["duckdb", "chdb"].into_iter().filter(|engine| has(engine)).collect();
    let (head, rows, found) = tables(bench, project, &sql)?;
    say(&report::table(&head.iter().map(String::as_str).collect::<Vec<_>>(), rows));
    let words = if has("tantivy") { words(bench, project)? } else { Value::Null };
    let versions: serde_json::Map<String, Value> =
        engines.into_iter().map(|(engine, version)| (engine.to_owned(), json!(version))).collect();
    Ok(json!({ "versions": versions, "questions": found, "words": words }))
}

fn version(bench: &Bench, engine: &str) -> Option<String> {
    let said = Bench::ask(&bench.script("peers.py", &["version", engine]), &bench.root).ok()?;
    serde_json::from_str(&said).ok()
}

/// The questions in SQL: the head of a table, its rows, and the figures as data.
fn tables(
    bench: &Bench,
    project: &Project,
    engines: &[&str],
) -> Result<(Vec<String>, Rows, Value), Failure> {
    let mut head = vec!["cpu s, from start to end".to_owned(), "dab".to_owned()];
    head.extend(engines.iter().map(|&engine| engine.to_owned()));
    let mut starts = vec![bench.short(&bench.dab(&["sql", "select 1 as one"]), project.folder())?];
    for engine in engines {
        let command = bench.script("peers.py", &[engine, "SELECT 1"]);
        starts.push(bench.short(&command, project.folder())?);
    }
    let mut rows = vec![row("to start, and ask nothing", &starts)];
    let mut found = vec![json!({
        "name": "start",
        "runs": starts.iter().map(Runs::json).collect::<Vec<_>>(),
    })];
    for question in QUESTIONS {
        let (runs, answer) = one(bench, project, engines, question)?;
        rows.push(row(question.name, &runs));
        found.push(json!({
            "name": question.name,
            "rows": answer.len(),
            "runs": runs.iter().map(Runs::json).collect::<Vec<_>>(),
        }));
    }
    Ok((head, rows, Value::Array(found)))
}

fn row(name: &str, runs: &[Runs]) -> Vec<String> {
    let cells = runs.iter().map(|runs| figure(runs.cpu_seconds()));
    std::iter::once(name.to_owned()).chain(cells).collect()
}

fn one(
    bench: &Bench,
    project: &Project,
    engines: &[&str],
    question: &Question,
) -> Result<(Vec<Runs>, Rows), Failure> {
    let table = project.folder().join("lake/tables").join(question.table);
    let files = bench.script("peers.py", &["files", &table.display().to_string()]);
    let files = Bench::ask(&files, &bench.root)?;
    let files: Vec<String> =
        serde_json::from_str(&files).map_err(|error| format!("{files}: {error}"))?;
    let (words, sql) = match question.dab {
        Dab::Sql(sql) => ("sql", sql),
        Dab::Search(line) => ("search", line),
    };
    let command = bench.dab(&[words, &needle(bench, sql)?, "--output", "json"]);
    let answer = answer_of_dab(&Bench::ask(&command, project.folder())?)?;
    let mut runs = vec![bench.short(&command, project.folder())?];
    for engine in engines {
        let sql = if *engine == "duckdb" { question.duckdb } else { question.chdb };
        let sql = needle(bench, &sql.replace("{files}", &reader(engine, &files)))?;
        let command = bench.script("peers.py", &[engine, &sql]);
        let said = Bench::ask(&command, project.folder())?;
        let theirs: Rows =
            serde_json::from_str(&said).map_err(|error| format!("{said}: {error}"))?;
        if theirs != answer {
            let name = question.name;
            return Err(format!("{name}: dab answers {answer:?}, and {engine} {theirs:?}"));
        }
        runs.push(bench.short(&command, project.folder())?);
    }
    Ok((runs, answer))
}

/// The files in an engine's words.
fn reader(engine: &str, files: &[String]) -> String {
    if engine == "duckdb" {
        let files: Vec<String> = files.iter().map(|file| format!("'{file}'")).collect();
        return format!("read_parquet([{}], union_by_name = true)", files.join(", "));
    }
    match files {
        [file] => format!("file('{file}', Parquet)"),
        // Outside of the braces, the path must begin as that of the root does.
        files => {
            let files: Vec<&str> = files.iter().map(|file| file.trim_start_matches('/')).collect();
            format!("file('/{{{}}}', Parquet)", files.join(","))
        }
    }
}

/// The values of the rows, by the names of their columns: the questions name them in that order.
fn answer_of_dab(said: &str) -> Result<Rows, Failure> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows = lines(said)?;
    Ok(rows
        .iter()
        .filter_map(Value::as_object)
        .map(|row| row.values().map(text).collect())
        .collect())
}

/// Words in all records, beside tantivy.
fn words(bench: &Bench, project: &Project) -> Result<Value, Failure> {
    let index = bench.scratch.join("tantivy");
    if index.is_dir() {
        let removed = std::fs::remove_dir_all(&index);
        removed.map_err(|error| format!("{}: {error}", index.display()))?;
    }
    let index = index.display().to_string();
    let logs = bench.logs.display().to_string();
    let build = bench.script("peers.py", &["tantivy-build", &logs, &index]);
    let built = measure::run(&build, project.folder())?;
    let bytes = folder_bytes(&index)?;
    say(&format!(
        "tantivy's index: {:.1} % of raw, {:.1} cpu-s/GB",
        bytes as f64 * 100.0 / bench.corpus.bytes as f64,
        built.cpu_seconds / bench.gigabytes()
    ));
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for (name, word) in WORDS {
        let word = needle(bench, word)?;
        let line = format!("{word} | stats count");
        let (dab, said) =
            asked(bench, project, &bench.dab(&["search", &line, "--output", "json"]))?;
        let ours = answer_of_dab(&said)?;
        let theirs = bench.script("peers.py", &["tantivy", &index, &word]);
        let (tantivy, said) = asked(bench, project, &theirs)?;
        let theirs: Rows =
            serde_json::from_str(&said).map_err(|error| format!("{said}: {error}"))?;
        if ours != theirs {
            return Err(format!("{word}: dab counts {ours:?}, and tantivy {theirs:?}"));
        }
        rows.push(vec![
            (*name).to_owned(),
            ours.concat().concat(),
            figure(dab.cpu_seconds()),
            figure(tantivy.cpu_seconds()),
        ]);
        found.push(json!({ "name": name, "dab": dab.json(), "tantivy": tantivy.json() }));
    }
    say(&report::table(&["word, in all records", "found", "dab", "tantivy"], rows));
    Ok(json!({ "index_bytes": bytes, "index_cpu_seconds": built.cpu_seconds, "asked": found }))
}

fn asked(bench: &Bench, project: &Project, command: &Command) -> Result<(Runs, String), Failure> {
    let said = Bench::ask(command, project.folder())?;
    Ok((bench.short(command, project.folder())?, said))
}

fn folder_bytes(folder: &str) -> Result<u64, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    let sizes = entries.flatten().filter_map(|entry| entry.metadata().ok());
    Ok(sizes.map(|file| file.len()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files_in_each_engine_s_words() {
        let files = ["/a.parquet".to_owned(), "/b.parquet".to_owned()];
        let list = "read_parquet(['/a.parquet', '/b.parquet'], union_by_name = true)";
        assert_eq!(reader("duckdb", &files), list);
        assert_eq!(reader("chdb", &files), "file('/{a.parquet,b.parquet}', Parquet)");
        assert_eq!(reader("chdb", &files[..1]), "file('/a.parquet', Parquet)");
    }

    #[test]
    fn reads_rows_as_texts() {
        let said = "{\"b\":1,\"a\":\"x\"}\n{\"a\":null,\"b\":2.5}\n";
        let rows = answer_of_dab(said).unwrap();
        assert_eq!(rows, [["x", "1"], ["", "2.5"]].map(|row| row.map(str::to_owned).to_vec()));
    }
}
