//! Files of pulls: read, checked as a whole, and joined with what the settings say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use base::{Clock, HttpExchange, Place, limits};

use super::{
    PullError, PullListing, PullPlan, PullValue,
    auth::Authenticator,
    declared::Declared,
    exchange::Exchange,
    shipped::shipped_pulls,
    spec::{Auth, File, Form, Paging, Request, parse_span},
    template::{Names, Template},
};

/// How an API is pulled, as its file says.
#[derive(Debug, Clone)]
pub struct PullDefinition {
    file: File,
    shown: String,
}

/// Something that the settings give to a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullInput {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whether it is a secret.
    pub is_secret: bool,
    /// What it is if the settings do not say.
    pub default: Option<String>,
}

/// What the settings say of a pull.
#[derive(Debug, Clone, Default)]
pub struct PullChoices {
    /// Its name.
    pub name: String,
    /// What its file asks for.
    pub values: BTreeMap<String, PullValue>,
    /// Its partitions; empty: those of its file.
    pub partitions: Vec<String>,
    /// How far back the first round goes.
    pub begin: Option<Duration>,
    /// How much of what was read is asked for again; `None`: what its file says.
    pub overlap: Option<Duration>,
}

impl PullDefinition {
    /// One that comes with dab.
    ///
    /// # Errors
    /// [`PullError::Unknown`] if there is none of this name.
    pub fn shipped(name: &str) -> Result<Self, Vec<PullError>> {
        let found = shipped_pulls().iter().find(|(own, _)| *own == name);
        let Some((name, text)) = found else {
            let known =
                shipped_pulls().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(vec![PullError::Unknown { name: name.to_owned(), known }]);
        };
        Self::parse(text, &format!("{name}.yml"))
    }

    /// Reads a file; `shown` is what it is called in messages.
    ///
    /// # Errors
    /// Every mistake that is found.
    pub fn parse(text: &str, shown: &str) -> Result<Self, Vec<PullError>> {
        let file: File =
            serde_saphyr::from_str(text).map_err(|error| vec![form_error(shown, &error)])?;
        let mistakes = mistakes(&file);
        if mistakes.is_empty() {
            return Ok(Self { file, shown: shown.to_owned() });
        }
        let value = |(message, help): (String, String)| PullError::Value {
            message,
            help,
            file: shown.to_owned(),
        };
        Err(mistakes.into_iter().map(value).collect())
    }

    /// What it pulls.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.file.description
    }

    /// The vendor's manual.
    #[must_use]
    pub fn manual(&self) -> Option<&str> {
        self.file.manual.as_deref()
    }

    /// The log source that decodes its events.
    #[must_use]
    pub fn log_source(&self) -> &str {
        &self.file.log_source
    }

    /// How often it asks where the settings do not say.
    #[must_use]
    pub const fn every(&self) -> Duration {
        self.file.every.0
    }

    /// Its partitions, where it has some.
    #[must_use]
    pub fn partitions(&self) -> &[String] {
        self.file.partitions.as_ref().map_or(&[], |partitions| &partitions.values)
    }

    /// Whether what it fetches is CSV.
    #[must_use]
    pub fn is_csv(&self) -> bool {
        self.records().format == Form::Csv
    }

    fn records(&self) -> &super::spec::Records {
        self.file.fetch.as_ref().map_or(&self.file.records, |fetch| &fetch.records)
    }

    /// What the settings must or may give.
    pub fn inputs(&self) -> impl Iterator<Item = PullInput> + '_ {
        self.file.inputs.iter().map(|(name, input)| PullInput {
            name: name.clone(),
            description: input.description.clone(),
            is_secret: input.secret,
            default: input.default.clone(),
        })
    }

    /// Joins it with what the settings say. Asks nobody.
    ///
    /// # Errors
    /// [`PullError::Settings`] for the first thing that does not fit.
    pub fn open(
        &self,
        choices: PullChoices,
        http: Arc<dyn HttpExchange>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Box<dyn super::PullApi>, PullPlan), PullError> {
        let values = self.values(&choices)?;
        let file = self.file.clone();
        let auth = Authenticator::new(file.auth.clone());
        let ends = file.credential_ends.clone();
        let exchange = Exchange::new(http, clock, Names::new(values), auth, ends);
        let plan = self.plan(choices);
        Ok((Box::new(Declared::new(file, exchange)), plan))
    }

    fn plan(&self, choices: PullChoices) -> PullPlan {
        let PullChoices { name, partitions, begin, overlap, .. } = choices;
        let window = &self.file.window;
        let list = self.file.partitions.as_ref().and_then(|own| own.list.as_ref());
        let listing = list
            .filter(|_| partitions.is_empty())
            .map(|list| PullListing { every: list.every.0, kept: list.kept.0 });
        let own = match &self.file.partitions {
            None => vec![String::new()],
            Some(own) if partitions.is_empty() => own.values.clone(),
            Some(_) => partitions,
        };
        PullPlan {
            name,
            partitions: own,
            listing,
            begin: begin.unwrap_or(Duration::from_secs(86_400)),
            lag: window.lag.0,
            overlap: overlap.unwrap_or(window.overlap.0),
            window_max: window.max.0,
            kept: window.kept.map(|kept| kept.0),
            is_cursor: window.cursor,
            is_newest_first: window.newest_first,
            is_by_arrival: window.by_arrival,
            is_keyset: matches!(self.file.paging, Paging::Keyset(_)),
            has_from: self.file.request.has("from"),
            has_to: self.file.request.has("to"),
            ids: self.records().id.iter().map(|path| path.0.clone()).collect(),
            form: window.format,
        }
    }

    fn values(&self, choices: &PullChoices) -> Result<BTreeMap<String, PullValue>, PullError> {
        let wrong = |message: String, help: String| {
            Err(PullError::Settings { name: choices.name.clone(), message, help })
        };
        let known = self.file.inputs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        for name in choices.values.keys() {
            if !self.file.inputs.contains_key(name) {
                return wrong(
                    format!("`{}` has no input `{name}`", self.shown),
                    format!("use: {known}"),
                );
            }
        }
        let mut values = BTreeMap::new();
        for (name, input) in &self.file.inputs {
            let given = choices.values.get(name).cloned();
            let default = || input.default.clone().map(PullValue::Plain);
            let Some(value) = given.or_else(default) else {
                let place = if input.secret { "secrets" } else { "settings" };
                return wrong(
                    format!("its input `{name}` is missing: {}", input.description),
                    format!("write it under `{place}`"),
                );
            };
            if input.secret && matches!(value, PullValue::Plain(_)) {
                return wrong(
                    format!("its input `{name}` is a secret"),
                    "write where it is under `secrets`: `{env: NAME}`, `{file: PATH}` or `{command: [..]}`"
                        .into(),
                );
            }
            if input.url && url::Url::parse(value.text()).is_err() {
                return wrong(
                    format!("its input `{name}` is no address"),
                    "write it as `https://host`".into(),
                );
            }
            values.insert(name.clone(), value);
        }
        if !choices.partitions.is_empty() && self.file.partitions.is_none() {
            return wrong(format!("`{}` has no partitions", self.shown), "leave them out".into());
        }
        if choices.partitions.len() > limits::PULL_PARTITIONS_MAX {
            let most = limits::PULL_PARTITIONS_MAX;
            return wrong(format!("it has more than {most} partitions"), "make two pulls".into());
        }
        let distinct: BTreeSet<_> = choices.partitions.iter().collect();
        if distinct.len() < choices.partitions.len()
            || choices.partitions.iter().any(String::is_empty)
        {
            return wrong("a partition is empty or named twice".into(), "name each once".into());
        }
        Ok(values)
    }
}

/// How often a pull may ask, as the settings write it.
///
/// # Errors
/// What is wrong with it.
pub fn pull_every(text: &str) -> Result<Duration, String> {
    let (least, most) = (limits::PULL_EVERY_SECONDS_MIN, limits::PULL_EVERY_SECONDS_MAX);
    let span = parse_span(text).ok_or(format!("`{text}` is no length of time such as `5m`"))?;
    if (least..=most).contains(&span.as_secs()) {
        return Ok(span);
    }
    Err(format!("`{text}` is not between 1 minute and 1 day"))
}

fn form_error(shown: &str, error: &serde_saphyr::Error) -> PullError {
    let at = error.location().unwrap_or(serde_saphyr::Location::UNKNOWN);
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    let (line, column) = (number(at.line()), number(at.column()));
    let place = Place::File { path: shown.to_owned(), line, column };
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default();
    let (message, help) =
        match first.split_once("unknown field `").and_then(|(_, rest)| rest.split_once('`')) {
            Some((key, rest)) => {
                let (_, keys) = rest.split_once("expected ").unwrap_or(("", rest));
                let keys = keys.trim_start_matches("one of ");
                let keys = keys.rsplit_once(" at line").map_or(keys, |(keys, _)| keys);
                (format!("unknown key `{key}`"), Some(format!("use one of: {keys}")))
            }
            None => (first.to_owned(), None),
        };
    PullError::Form { message, help, place }
}

/// What makes no sense, each with what to write.
fn mistakes(file: &File) -> Vec<(String, String)> {
    let mut found = name_mistakes(file);
    let mut wrong = |message: &str, help: &str| found.push((message.to_owned(), help.to_owned()));
    let window = &file.window;
    let (has_from, has_to) = (file.request.has("from"), file.request.has("to"));
    let every = file.every.0.as_secs();
    if !(limits::PULL_EVERY_SECONDS_MIN..=limits::PULL_EVERY_SECONDS_MAX).contains(&every) {
        wrong("`every` is not between 1 minute and 1 day", "write how often to ask, such as `5m`");
    }
    if window.overlap.0.is_zero() {
        wrong(
            "`window.overlap` is nothing",
            "write for how long events may come late, such as `1h`",
        );
    }
    if window.max.0.is_zero() {
        wrong("`window.max` is nothing", "write how much is asked for at once, such as `1d`");
    }
    let has_time = file.records.time.is_some();
    if !has_to && !window.cursor && !window.by_arrival && !has_time {
        wrong(
            "nothing says how far a round came",
            "use `{to}` in the request, set `window.cursor` or `by_arrival`, or name `records.time`",
        );
    }
    if !has_from && !window.newest_first {
        wrong(
            "the request does not say from when on",
            "use `{from}` in it, or set `window.newest_first`",
        );
    }
    if window.newest_first && !has_from && !has_time {
        wrong("nothing says where the pages may end", "name `records.time`");
    }
    if window.cursor && !matches!(file.paging, Paging::Token(_)) {
        wrong("`window.cursor` keeps a token, and there is none", "use `paging.token`");
    }
    if file.expired.as_ref().is_some_and(|how| how.status.iter().any(|status| *status < 300)) {
        wrong(
            "`expired.status` has one of success",
            "name statuses of failure: events may hold any text",
        );
    }
    found.extend(partition_mistakes(file));
    found.extend(paging_mistakes(file));
    found.extend(file.of_list().iter().flat_map(paging_mistakes));
    found
}

fn partition_mistakes(file: &File) -> Vec<(String, String)> {
    let Some(own) = &file.partitions else { return Vec::new() };
    let mut found = Vec::new();
    let mut wrong = |message: &str, help: &str| found.push((message.to_owned(), help.to_owned()));
    match (&own.list, own.values.is_empty()) {
        (None, true) => {
            wrong("`partitions.values` is empty", "list the partitions, or leave `partitions` out");
        }
        (Some(_), false) => wrong(
            "`partitions` has both `values` and `list`",
            "leave one of them out: either the file says which there are, or the API",
        ),
        _ => {}
    }
    let Some(list) = &own.list else { return found };
    let (least, most) = (limits::PULL_EVERY_SECONDS_MIN, limits::PULL_EVERY_SECONDS_MAX);
    if !(least..=most).contains(&list.every.0.as_secs()) {
        wrong(
            "`partitions.list.every` is not between 1 minute and 1 day",
            "write how often to ask, such as `1h`",
        );
    }
    // What a server says must not choose where the credential goes.
    let requests = [Some(&file.request), file.fetch.as_ref().map(|fetch| &fetch.request)];
    let prepare = file.prepare.as_ref().map(|prepare| &prepare.request);
    let mut urls = requests.into_iter().chain([prepare]).flatten().map(|request| &request.url);
    if urls.any(|url| url.first_name() == Some(&own.name)) {
        wrong(
            "an address begins with a partition that the API names",
            "begin it with an address of yours: an input, or `https://host`",
        );
    }
    found
}

fn paging_mistakes(file: &File) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut wrong = |message: &str, help: &str| found.push((message.to_owned(), help.to_owned()));
    match &file.paging {
        Paging::Token(token) if token.query.is_some() == token.json.is_some() => {
            wrong("`paging.token` goes nowhere, or to two places", "name `query` or `json`");
        }
        Paging::Token(token) if token.json.is_some() && file.request.json.is_none() => {
            wrong("`paging.token.json` has no body to go to", "give the request a `json`");
        }
        Paging::Page(own) | Paging::Offset(own) if own.size == 0 => {
            wrong("`size` is 0", "write how many records a full page has");
        }
        Paging::Page(own) | Paging::Offset(own) if own.query.is_some() == own.json.is_some() => {
            wrong("the number goes nowhere, or to two places", "name `query` or `json`");
        }
        Paging::Keyset(own) if own.size == 0 => {
            wrong("`size` is 0", "write how many records a full page has");
        }
        _ => {}
    }
    let needs_json = !matches!(
        file.paging,
        Paging::None | Paging::Link(_) | Paging::Page(_) | Paging::Offset(_)
    ) || file.fetch.is_some();
    if needs_json && file.records.format != Form::Json {
        wrong("this paging looks into answers in JSON", "leave `records.format` out");
    }
    if file.fetch.as_ref().is_some_and(|fetch| fetch.id.is_empty()) {
        wrong("`fetch.id` is empty", "name the fields that tell one item from another");
    }
    found
}

/// Names in templates that stand for nothing.
fn name_mistakes(file: &File) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let inputs: Vec<&str> = file.inputs.keys().map(String::as_str).collect();
    let mut check = |place: &str, templates: Vec<&Template>, more: &[&str]| {
        let known: Vec<&str> = inputs.iter().copied().chain(more.iter().copied()).collect();
        for name in templates.iter().flat_map(|template| template.names()) {
            if !known.contains(&name) {
                let message = format!("`{{{name}}}` in `{place}` stands for nothing");
                found.push((message, format!("use one of: {}", known.join(", "))));
            }
        }
    };
    let partition = file.partitions.as_ref().map(|own| own.name.as_str());
    let request: Vec<&str> = ["from", "to"].into_iter().chain(partition).collect();
    let auth: &Auth = &file.auth;
    check("auth", auth.templates(), &[]);
    check("request", file.request.templates(), &request);
    let of = |request: Option<&Request>| -> Vec<Template> {
        request.map(|own| own.templates().into_iter().cloned().collect()).unwrap_or_default()
    };
    let list =
        of(file.partitions.as_ref().and_then(|own| own.list.as_ref()).map(|own| &own.request));
    check("partitions.list.request", list.iter().collect(), &[]);
    let prepare = of(file.prepare.as_ref().map(|prepare| &prepare.request));
    check("prepare", prepare.iter().collect(), &request);
    if let Some(fetch) = &file.fetch {
        let items: Vec<String> = fetch.values.keys().map(|name| format!("item.{name}")).collect();
        let all: Vec<&str> =
            request.iter().copied().chain(items.iter().map(String::as_str)).collect();
        check("fetch.request", fetch.request.templates(), &all);
    }
    for (place, names) in [("inputs", inputs.as_slice())] {
        for name in
            names.iter().filter(|name| ["from", "to"].contains(*name) || Some(**name) == partition)
        {
            found.push((
                format!("`{name}` in `{place}` has a meaning of its own"),
                "rename it".into(),
            ));
        }
    }
    found
}
