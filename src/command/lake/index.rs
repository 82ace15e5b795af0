//! `dab lake index`: the search indexes beside the tables' files.

use std::{collections::BTreeSet, path::Path};

use base::{Day, Problem};
use lake::index::{IndexWork, Indexed, index};

use crate::{
    command::query,
    output::{self, Output, Progress},
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Makes the indexes that are missing, damaged, or of an older version; goes on where it was stopped.
    Build(Args),
    /// Reads every index as a whole; exit code 1 if one is missing or damaged.
    Check(Args),
    /// Removes the indexes: searches read whole files then.
    Drop(Args),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tables; all if none is named.
    tables: Vec<String>,

    /// Only this day of event time, such as 2026-11-24; may be repeated.
    #[arg(long = "day", value_name = "DAY", value_parser = super::day)]
    days: Vec<Day>,
}

pub(crate) async fn run(action: &Action, config: &Path, output: Output) -> Result<u8, Problem> {
    let (args, work) = match action {
        Action::Build(args) => (args, IndexWork::Build),
        Action::Check(args) => (args, IndexWork::Check),
        Action::Drop(args) => (args, IndexWork::Drop),
    };
    let lake = query::lake(config)?;
    let days: BTreeSet<Day> = args.days.iter().copied().collect();
    let mut progress = Progress::new("files", 0);
    let mut done = Vec::new();
    for name in lake.tables(&args.tables).await? {
        let mut told = |files: u64, total: u64| progress.at(&name, files, total);
        let indexed = index(&lake, &name, work, &days, &mut told).await;
        progress.clear();
        let indexed = indexed?;
        if output == Output::Json {
            output::line(&serde_json::to_string(&indexed).unwrap_or_default());
        }
        done.push(indexed);
    }
    if output != Output::Json {
        show(&done, output);
    }
    let is_wrong = |table: &Indexed| table.missing + table.damaged > 0;
    let found = work == IndexWork::Check && done.iter().any(is_wrong);
    Ok(if found { crate::FINDINGS } else { crate::FINE })
}

fn show(done: &[Indexed], output: Output) {
    let row = |table: &Indexed| {
        let Indexed { files, small, missing, damaged, built, dropped, sound, bytes, .. } = table;
        let counts = [files, small, missing, damaged, built, dropped, sound];
        let [files, small, missing, damaged, built, dropped, sound] =
            counts.map(ToString::to_string);
        let name = table.table.clone();
        [name, files, small, missing, damaged, built, dropped, sound, bytes.to_string()]
    };
    let rows: Vec<_> = done.iter().map(row).collect();
    let header =
        ["table", "files", "small", "missing", "damaged", "built", "dropped", "sound", "bytes"];
    output::rows(header, &rows, output);
}
