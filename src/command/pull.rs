//! `dab pull`: asks an API once, looks whether it answers, and begins files for others.

use std::{path::Path, sync::Arc, time::Duration};

use base::{Clock, Problem, Report, StateStore, SystemClock, Timestamp, fault, limits};
use collect::{Ask, PullDefinition, PullError, PullInput, shipped_pulls};
use serve::{PullDryRun, PullRange, PullSpec};

use super::run::summary;
use crate::{
    console::Console,
    host::process::{Host, color, stop_on_signal, tell_problems},
    output::{self, Output},
    settings::{PullSettings, SettingsError},
};

/// What `dab pull new` begins with.
const SCAFFOLD: &str = include_str!("pull/scaffold.yml");

/// How far a clock may be off before a signature or a token is refused somewhere.
const CLOCK_SECONDS_MAX: u64 = 60;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// The pull, as the settings call it.
    #[arg(required = true)]
    name: Option<String>,

    /// Asks once for what is new, stores it, and ends. What happens without any other of these.
    #[arg(long)]
    once: bool,

    /// Asks again for events from this time on, and stores those that are missing: RFC 3339, or a day.
    #[arg(long, value_parser = super::query::time, conflicts_with = "once")]
    from: Option<Timestamp>,

    /// Up to this time; up to where the pull is, if it is left out.
    #[arg(long, value_parser = super::query::time, requires = "from")]
    to: Option<Timestamp>,

    /// Asks, decodes, counts, and stores nothing.
    #[arg(long)]
    dry_run: bool,

    /// Dies at a point, or `point:n`: for proving that nothing is lost there.
    #[arg(long, hide = true, value_parser = super::fault_point::parse, value_name = "POINT")]
    crash_at: Option<(fault::Point, u64)>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the pulls that come with dab, and those of the settings.
    List,
    /// Looks whether credentials, addresses and the clock are right: asks for one page of each.
    Check {
        /// The pull, as the settings call it; all if it is left out.
        name: Option<String>,
    },
    /// Begins a file for an API of your own, `pull/NAME.yml`.
    New {
        /// The file's name.
        name: String,
        /// A pull that comes with dab, to begin with; else an example with every key.
        #[arg(long, value_name = "PULL")]
        like: Option<String>,
    },
}

pub(crate) async fn run(args: Args, config: &Path, output: Output) -> Result<u8, Problem> {
    match args.action {
        Some(Action::List) => list(config, output),
        Some(Action::Check { name }) => check(config, name.as_deref(), output).await,
        Some(Action::New { name, like }) => new(config, &name, like.as_deref()),
        None => pull(&args, config, output).await,
    }
}

fn find<'h>(host: &'h Host, name: &str) -> Result<&'h PullSettings, PullError> {
    let pulls = &host.settings.pull;
    pulls.iter().find(|pull| pull.name == name).ok_or_else(|| {
        let known = pulls.iter().map(|pull| pull.name.as_str()).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "the settings have no `pull`".into() } else { known };
        PullError::Unknown { name: name.to_owned(), known }
    })
}

async fn pull(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    if let Some((point, times)) = args.crash_at {
        fault::arm(point, times);
    }
    let host = Host::open(config)?;
    let name = args.name.as_deref().unwrap_or_default();
    let http = Host::pull_client()?;
    let mut spec = host.pull(find(&host, name)?, &http)?;
    let now = SystemClock.now();
    spec.range = args.from.map(|from| PullRange { from, to: args.to.unwrap_or(now).min(now) });
    let project = host.project();
    let (switch, stop) = serve::stop_signal();
    if args.dry_run {
        let signals = tokio::spawn(stop_on_signal(switch));
        let lake = host.lake()?;
        let (state, decoders) = (lake.state()?, Host::decoders(&project)?);
        let clock = Arc::new(SystemClock);
        let done = serve::pull_dry_run(&lake, state.as_ref(), &decoders, spec, clock, stop).await?;
        signals.abort();
        return Ok(dry(&done, output));
    }
    tell_problems(&project.problems, output);
    let observer = Arc::new(Console { output, color: color(), commits: false });
    let mut parts = host.parts_of(&project, observer, vec![spec])?;
    (parts.once, parts.http) = (true, None);
    parts.buckets.clear();
    let signals = tokio::spawn(stop_on_signal(switch.clone()));
    let status = serve::run(parts, switch, stop).await;
    signals.abort();
    let status = status?;
    summary(&status, output);
    let is_well = status.sources.get(name).is_none_or(|source| source.errors <= source.recovered);
    Ok(if is_well { crate::FINE } else { crate::FINDINGS })
}

fn dry(done: &PullDryRun, output: Output) -> u8 {
    let is_well = done.is_whole && done.problems.is_empty();
    let code = if is_well { crate::FINE } else { crate::FINDINGS };
    if output == Output::Json {
        output::line(&serde_json::to_string(done).unwrap_or_default());
        return code;
    }
    for (count, report) in done.problems.values() {
        output::problem(report, output);
        if *count > 1 {
            output::error_line(&format!("  and {} more of this kind", count - 1));
        }
    }
    let count = output::count;
    let span = match (done.time_min, done.time_max) {
        (Some(min), Some(max)) => format!(", from {min} to {max}"),
        _ => String::new(),
    };
    output::line(&format!(
        "{} answers: {} new records, {} of them events{span}; {} are stored already",
        count(done.pages),
        count(done.records),
        count(done.events),
        count(done.repeats),
    ));
    if !done.is_whole {
        output::line("it did not come to its end");
    }
    code
}

fn list(config: &Path, output: Output) -> Result<u8, Problem> {
    let host = if config.try_exists().unwrap_or(false) { Some(Host::open(config)?) } else { None };
    let pulls = host.iter().flat_map(|host| &host.settings.pull);
    let mut rows = Vec::new();
    for (name, _) in shipped_pulls() {
        let definition = PullDefinition::shipped(name);
        let own = pulls.clone().filter(|pull| pull.from == *name);
        let own = own.map(|pull| pull.name.as_str()).collect::<Vec<_>>().join(", ");
        rows.extend(definition.ok().map(|definition| row(name, &definition, &own)));
    }
    for pull in pulls.clone().filter(|pull| pull.file().is_some()) {
        let Some(host) = &host else { continue };
        rows.push(row(&pull.from, &host.pull_definition(pull)?, &pull.name));
    }
    output::rows(["pull", "used as", "log source", "every", "inputs", "what"], &rows, output);
    Ok(crate::FINE)
}

fn row(name: &str, definition: &PullDefinition, own: &str) -> [String; 6] {
    let needed = definition.inputs().filter(|input| input.default.is_none());
    let inputs = needed.map(|input| input.name).collect::<Vec<_>>().join(", ");
    let minutes = definition.every().as_secs() / 60;
    let own = if own.is_empty() { "-" } else { own };
    [
        name.to_owned(),
        own.to_owned(),
        definition.log_source().to_owned(),
        format!("{minutes} min"),
        inputs,
        definition.description().to_owned(),
    ]
}

/// What was found out about one partition of a pull.
struct Finding {
    pull: String,
    partition: String,
    found: String,
    report: Option<Report>,
}

async fn check(config: &Path, name: Option<&str>, output: Output) -> Result<u8, Problem> {
    let host = Host::open(config)?;
    let chosen = match name {
        Some(name) => vec![find(&host, name)?],
        None => host.settings.pull.iter().collect(),
    };
    if chosen.is_empty() {
        output::error_line("there is nothing to check: the settings have no `pull`");
        return Ok(crate::FINE);
    }
    let http = Host::pull_client()?;
    let state = host.lake()?.state()?;
    let mut findings = Vec::new();
    for pull in chosen {
        match host.pull(pull, &http) {
            Ok(spec) => findings.extend(check_one(spec, state.as_ref()).await?),
            Err(problem) => findings.push(Finding {
                pull: pull.name.clone(),
                partition: "-".to_owned(),
                found: "-".to_owned(),
                report: Some(problem.report()),
            }),
        }
    }
    let row = |finding: &Finding| {
        let result =
            finding.report.as_ref().map_or("fine".to_owned(), |report| report.code.clone());
        let said = finding.report.as_ref().map_or("-".to_owned(), |report| report.message.clone());
        let (pull, partition) = (finding.pull.clone(), finding.partition.clone());
        [pull, partition, result, finding.found.clone(), said]
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    output::rows(["pull", "partition", "result", "found", "what"], &rows, output);
    let mut told = Vec::new();
    for report in findings.iter().filter_map(|finding| finding.report.as_ref()) {
        // One credential serves all partitions, and is wrong for all.
        if output != Output::Json && !told.contains(&(&report.code, &report.help)) {
            let help = report.help.as_deref().unwrap_or_default();
            output::error_line(&format!("{}: {help}", report.code));
            told.push((&report.code, &report.help));
        }
    }
    let is_well = findings.iter().all(|finding| finding.report.is_none());
    Ok(if is_well { crate::FINE } else { crate::FINDINGS })
}

/// Asks for the last quarter of an hour of each partition.
async fn check_one(spec: PullSpec, state: &dyn StateStore) -> Result<Vec<Finding>, Problem> {
    let PullSpec { plan, mut api, .. } = spec;
    if let Some(sealed) = serve::kept_credential(state, &plan.name).await? {
        api.restore_renewed(&sealed);
    }
    let mut findings = Vec::new();
    let mut partitions = plan.partitions.clone();
    if plan.listing.is_some() {
        let (pull, dash) = (plan.name.clone(), "-".to_owned());
        match api.partitions().await {
            Ok(named) => {
                let found = format!("{} partitions", named.len());
                findings.push(Finding { pull, partition: dash, found, report: None });
                partitions = named;
                partitions.truncate(limits::PULL_PARTITIONS_MAX);
            }
            Err(error) => {
                let report = Some(Problem::from(error).report());
                findings.push(Finding { pull, partition: dash.clone(), found: dash, report });
            }
        }
    }
    for partition in &partitions {
        let to = SystemClock.now().minus(plan.lag);
        let ask = Ask { partition, from: to.minus(Duration::from_secs(900)), to, next: None };
        let asked = match api.prepare(partition).await {
            Ok(()) => api.page(ask).await,
            Err(error) => Err(error),
        };
        let (found, report) = match asked {
            Ok(page) => (format!("{}", page.batch.records.len() + page.items.len()), None),
            Err(error) => ("-".to_owned(), Some(Problem::from(error).report())),
        };
        let partition = if partition.is_empty() { "-" } else { partition };
        let (pull, partition) = (plan.name.clone(), partition.to_owned());
        findings.push(Finding { pull, partition, found, report });
    }
    if let Some(sealed) = api.renewed() {
        serve::keep_credential(state, &plan.name, &sealed).await?;
    }
    let checked = api.checked();
    let mut add = |error: PullError| {
        let (pull, dash) = (plan.name.clone(), || "-".to_owned());
        let report = Some(Problem::from(error).report());
        findings.push(Finding { pull, partition: dash(), found: dash(), report });
    };
    if let Some(ahead) = checked.ahead_seconds.filter(|by| by.unsigned_abs() > CLOCK_SECONDS_MAX) {
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        add(PullError::Clock { seconds: ahead.unsigned_abs(), direction });
    }
    let soon = Duration::from_secs(limits::PULL_CREDENTIAL_DAYS_LEFT * 86_400);
    if let Some(ends) = checked.credential_ends.filter(|ends| ends.minus(soon) < SystemClock.now())
    {
        add(PullError::CredentialEnds { name: plan.name.clone(), ends: ends.to_string() });
    }
    Ok(findings)
}

fn new(config: &Path, name: &str, like: Option<&str>) -> Result<u8, Problem> {
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let wrong = |message: String, help: &str| SettingsError::Value {
        message,
        help: help.to_owned(),
        path: "dab pull new".to_owned(),
    };
    if name.is_empty() || name.len() > 64 || !name.chars().all(ok) {
        let help = "use 1 to 64 of the characters `A-Z a-z 0-9 _ -`";
        return Err(wrong(format!("`{name}` can't name a pull"), help).into());
    }
    let text = match like {
        None => SCAFFOLD,
        Some(like) => {
            let found = shipped_pulls().iter().find(|(own, _)| *own == like);
            let known =
                || shipped_pulls().iter().map(|(own, _)| *own).collect::<Vec<_>>().join(", ");
            let unknown = || PullError::Unknown { name: like.to_owned(), known: known() };
            found.ok_or_else(unknown)?.1
        }
    };
    let shown = format!("pull/{name}.yml");
    let base = config.parent().filter(|folder| !folder.as_os_str().is_empty());
    let path = base.unwrap_or(Path::new(".")).join(&shown);
    let unwritable = |error: std::io::Error| {
        wrong(format!("`{shown}` can't be written: {error}"), "see that you may write there")
    };
    if path.try_exists().map_err(unwritable)? {
        return Err(wrong(format!("`{shown}` is there already"), "choose another name").into());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    std::fs::write(&path, text).map_err(unwritable)?;
    output::error_line(&format!("wrote {shown}; what the settings need beside it:"));
    if let Ok(definition) = PullDefinition::parse(text, &shown) {
        output::line(&snippet(name, &shown, definition.inputs().collect()));
    }
    output::error_line(&format!("then `dab pull check {name}` and `dab pull {name} --dry-run`"));
    Ok(crate::FINE)
}

/// The part of the settings that a pull needs.
fn snippet(name: &str, from: &str, inputs: Vec<PullInput>) -> String {
    let mut text = format!("pull:\n  - name: {name}\n    from: ./{from}");
    let needed: Vec<_> = inputs.into_iter().filter(|input| input.default.is_none()).collect();
    for (key, is_secret) in [("settings", false), ("secrets", true)] {
        let own: Vec<_> = needed.iter().filter(|input| input.is_secret == is_secret).collect();
        if own.is_empty() {
            continue;
        }
        text.push_str(&format!("\n    {key}:"));
        for input in own {
            let variable = format!("{name}_{}", input.name).to_ascii_uppercase().replace('-', "_");
            let value = if is_secret { format!("{{env: {variable}}}") } else { "\"\"".to_owned() };
            text.push_str(&format!("\n      {}: {value}  # {}", input.name, input.description));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scaffold_is_a_right_file_and_says_what_the_settings_need() {
        let definition = PullDefinition::parse(SCAFFOLD, "pull/mine.yml").unwrap();
        let text = snippet("my-crm", "pull/mine.yml", definition.inputs().collect());
        let expected = "pull:\n  - name: my-crm\n    from: ./pull/mine.yml\n    settings:\n      \
            url: \"\"  # where the API is, such as `https://api.example.com`\n    secrets:\n      \
            token: {env: MY_CRM_TOKEN}  # an API token that may read the audit log";
        assert_eq!(text, expected);
    }
}
