//! `dab searches`, and the searches that `dab search @name` asks.
//!
//! There are two places for them: files of the project, which are shared and reviewed as code, and the
//! lake, where `dab search --save` puts them. A file hides what the lake has under its name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use base::{Problem, StateError, limits};
use lake::query::{Parameter, ParameterType, SavedSearch, SavedSearchError, is_search_name};

use crate::{
    host::process::Host,
    output::{self, Output},
    settings,
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Lists the saved searches.
    List,
    /// Shows one, with what it can be asked with.
    Show {
        /// Its name.
        name: String,
    },
    /// Deletes one from the lake. Those in files are yours to delete.
    Delete {
        /// Its name.
        name: String,
    },
}

/// A saved search, and the file that it is in if it is in one.
type Found = (SavedSearch, Option<PathBuf>);

pub(crate) async fn run(action: Action, config: &Path, output: Output) -> Result<u8, Problem> {
    let host = Host::open(config)?;
    match action {
        Action::List => list(&all(&host).await?, output),
        Action::Show { name } => show(&found(&host, &name).await?, output),
        Action::Delete { name } => {
            let store = host.lake()?.saved_searches()?;
            if store.get(&name_key(&name)?).await.map_err(unavailable)?.is_none() {
                return Err(match all(&host).await?.get(&name) {
                    Some((_, Some(path))) => {
                        wrong(&name, format!("it is in the file `{}`: delete that", path.display()))
                    }
                    _ => unknown(&host, &name).await?,
                });
            }
            store.delete(&name_key(&name)?).await.map_err(unavailable)?;
        }
    }
    Ok(crate::FINE)
}

/// Puts a search into the lake.
pub(crate) async fn save(host: &Host, search: &SavedSearch, replace: bool) -> Result<(), Problem> {
    search.check()?;
    let name = &search.name;
    if let Some((_, Some(path))) = files(host)?.get(name) {
        let message = format!("the file `{}` has one of this name", path.display());
        return Err(wrong(name, message));
    }
    let store = host.lake()?.saved_searches()?;
    let key = name_key(name)?;
    let known = store.get(&key).await.map_err(unavailable)?;
    if known.is_some() && !replace {
        return Err(SavedSearchError::Taken { name: name.clone() }.into());
    }
    let value = serde_json::to_vec(search).unwrap_or_default();
    let version = known.as_ref().map(|known| known.version.as_str());
    store.compare_and_set(&key, version, &value).await.map_err(unavailable)?;
    Ok(())
}

/// The search of a name.
pub(crate) async fn named(host: &Host, name: &str) -> Result<SavedSearch, Problem> {
    Ok(found(host, name).await?.0)
}

/// `name`, `name:type`, `name:type=default` or `name=default`.
pub(crate) fn parameter(text: &str) -> Result<(String, Parameter), String> {
    let (head, default) = match text.split_once('=') {
        Some((head, default)) => (head, Some(default.to_owned())),
        None => (text, None),
    };
    let (name, kind) = head.split_once(':').unwrap_or((head, "text"));
    let kind: ParameterType = serde_json::from_value(kind.into()).map_err(|_| {
        format!("`{kind}` is none of text, pattern, number, time, ip, network, name")
    })?;
    if !is_search_name(name) {
        return Err(format!("`{name}` can't name a parameter"));
    }
    Ok((name.to_owned(), Parameter { kind, default, ..Parameter::default() }))
}

async fn found(host: &Host, name: &str) -> Result<Found, Problem> {
    match all(host).await?.remove(name) {
        Some(found) => Ok(found),
        None => Err(unknown(host, name).await?),
    }
}

async fn unknown(host: &Host, name: &str) -> Result<Problem, Problem> {
    let all = all(host).await?;
    Ok(SavedSearchError::unknown(name, all.keys().map(String::as_str)).into())
}

async fn all(host: &Host) -> Result<BTreeMap<String, Found>, Problem> {
    let mut all = BTreeMap::new();
    let store = host.lake()?.saved_searches()?;
    for key in store.list("").await.map_err(unavailable)? {
        let Some(stored) = store.get(&key).await.map_err(unavailable)? else { continue };
        let search: SavedSearch = serde_json::from_slice(&stored.value)
            .map_err(|error| wrong(&key, format!("what the lake has is damaged: {error}")))?;
        all.insert(search.name.clone(), (search, None));
    }
    all.extend(files(host)?);
    Ok(all)
}

/// The searches of the project's files.
fn files(host: &Host) -> Result<BTreeMap<String, Found>, Problem> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for root in host.saved_searches() {
        if !root.try_exists().unwrap_or(false) {
            let message = "`saved_searches` names it, and it is not there".to_owned();
            return Err(wrong(&root.display().to_string(), message));
        }
    }
    for path in vet::files(&host.saved_searches()) {
        if found.len() >= limits::SAVED_SEARCHES_MAX {
            let message = format!("there are more than {}", limits::SAVED_SEARCHES_MAX);
            return Err(wrong(&path.display().to_string(), message));
        }
        let search = settings::saved_search(&path)?;
        search.check()?;
        if let Some((_, Some(other))) = found.get(&search.name) {
            let message = format!("`{}` has one of this name, too", other.display());
            return Err(wrong(&search.name, message));
        }
        found.insert(search.name.clone(), (search, Some(path)));
    }
    Ok(found)
}

fn wrong(name: &str, message: String) -> Problem {
    SavedSearchError::Wrong { name: name.to_owned(), message }.into()
}

fn unavailable(error: StateError) -> Problem {
    SavedSearchError::from(error).into()
}

fn name_key(name: &str) -> Result<String, Problem> {
    if is_search_name(name) {
        return Ok(name.to_owned());
    }
    Err(wrong(name, "a name has 1 to 64 letters, digits, `_` and `-`".to_owned()))
}

fn list(all: &BTreeMap<String, Found>, output: Output) {
    match output {
        Output::Json => all.values().for_each(|found| output::line(&json(found).to_string())),
        Output::Table | Output::Csv => {
            let width = all.keys().map(String::len).max().unwrap_or_default();
            for (name, (search, path)) in all {
                let from = if path.is_some() { "file" } else { "lake" };
                let owner = if search.owner.is_empty() { "-" } else { &search.owner };
                output::line(
                    format!("{name:width$}  {from}  {owner}  {}", search.description).trim_end(),
                );
            }
        }
    }
}

fn show(found: &Found, output: Output) {
    let (search, path) = found;
    if output == Output::Json {
        output::line(&json(found).to_string());
        return;
    }
    output::line(&format!("name: {}", search.name));
    let from =
        path.as_ref().map_or_else(|| "the lake".to_owned(), |path| path.display().to_string());
    output::line(&format!("from: {from}"));
    for (key, text) in [("owner", &search.owner), ("description", &search.description)] {
        if !text.is_empty() {
            output::line(&format!("{key}: {text}"));
        }
    }
    for (name, parameter) in &search.parameters {
        let kind = serde_json::to_value(parameter.kind).unwrap_or_default();
        let default = parameter.default.as_ref().map(|default| format!(", `{default}` by default"));
        output::line(&format!(
            "parameter: {name}, {}{}",
            kind.as_str().unwrap_or_default(),
            default.unwrap_or_default()
        ));
    }
    for (key, text) in [("search", &search.search), ("sql", &search.sql)] {
        if let Some(text) = text {
            output::line(&format!("{key}: {text}"));
        }
    }
}

fn json((search, path): &Found) -> serde_json::Value {
    let mut json = serde_json::to_value(search).unwrap_or_default();
    if let (Some(path), Some(members)) = (path, json.as_object_mut()) {
        members.insert("file".to_owned(), path.display().to_string().into());
    }
    json
}
