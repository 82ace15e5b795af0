//! What can go wrong in the pipeline that no stage knows of by itself.

use base::{Code, Explain, Place};

use crate::claims;

/// An error of the pipeline.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A stored checkpoint can't be understood.
    #[error("the stored checkpoint can't be used: {reason}")]
    Checkpoint {
        /// What is wrong with it.
        reason: String,
    },
    /// A source names a log source that does not exist.
    #[error("source `{source_name}` names the log source `{log_source}`, which does not exist")]
    UnknownLogSource {
        /// The source.
        source_name: String,
        /// The log source it names.
        log_source: String,
        /// Those that exist.
        known: String,
    },
    /// An address for records of several log sources is called as one of these.
    #[error("the address `/ingest/{name}` is that of the log source `{name}`")]
    MixedName {
        /// The name.
        name: String,
    },
    /// Another process commits under this source's name.
    #[error("source `{source_name}` is being written by another process too")]
    TwoWriters {
        /// The source.
        source_name: String,
    },
    /// Another process has this source.
    #[error("another process is at work on `{source_name}`")]
    Claimed {
        /// The source.
        source_name: String,
    },
    /// Another process has taken over what this one wrote.
    #[error("another process has taken over, as this one was not heard of for half a minute")]
    ClaimLost,
    /// The address can't be listened on.
    #[error("can't listen on `{address}`")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A part of the program died.
    #[error("the task `{task}` ended by itself: {reason}")]
    Task {
        /// The task.
        task: String,
        /// What it said.
        reason: String,
    },
    /// The state of correlations can't be read, and is begun anew.
    #[error("the state of correlations can't be read, so they begin anew: {reason}")]
    CorrelationState {
        /// What is wrong with it.
        reason: String,
    },
    /// A correlation could not count all events as it should.
    #[error(
        "the correlation `{title}` did not see all events in their order: {late} came late, \
         {too_late} too late to count, {hurried} were not waited for, {evicted} were dropped"
    )]
    CorrelationLosses {
        /// Its title.
        title: String,
        /// See [`detect::Counts::late`].
        late: u64,
        /// See [`detect::Counts::too_late`].
        too_late: u64,
        /// See [`detect::Counts::hurried`].
        hurried: u64,
        /// See [`detect::Counts::evicted`].
        evicted: u64,
    },
    /// A rule matches so often that not all of it becomes alerts.
    #[error(
        "`{title}` matches more than {per_hour} events of `{source_name}` in an hour: {held_back} \
         matches were held back so far"
    )]
    RuleLimit {
        /// The rule's title.
        title: String,
        /// Its file.
        file: String,
        /// The source.
        source_name: String,
        /// How many of its matches the batch held back that was the first to do so.
        held_back: u64,
        /// How many become alerts in an hour.
        per_hour: u64,
    },
    /// The query of a lookup table can't be run.
    #[error("the query of the lookup table `{table}` can't be run: {reason}")]
    LookupQuery {
        /// The table.
        table: String,
        /// Why.
        reason: String,
        /// What to do, where more is known than that.
        help: Option<String>,
    },
    /// The raw bytes that a batch was made of are no longer all there.
    #[error(
        "batch {number} of the source `{source_name}` can't be replayed: not all the bytes of \
         `{object}` are in the cold tier"
    )]
    RawBytesGone {
        /// The source.
        source_name: String,
        /// The batch.
        number: u64,
        /// The object whose bytes are missing.
        object: String,
    },
    /// The raw bytes of a batch are cut into other records than they were.
    #[error(
        "batch {number} of the source `{source_name}` can't be replayed: the log source cuts \
         `{object}` into other records than when it was stored"
    )]
    OtherRecords {
        /// The source.
        source_name: String,
        /// The batch.
        number: u64,
        /// The object.
        object: String,
    },
    /// A source is not as it should be.
    #[error("{message}")]
    Unhealthy {
        /// Which, and what is wrong.
        message: String,
    },
    /// A quarantined record that does not exist.
    #[error("there is no quarantined record `{id}`")]
    NoSuchRecord {
        /// The id asked for.
        id: String,
    },
}

impl Explain for ServeError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Checkpoint { .. } => "DAB0701",
            Self::UnknownLogSource { .. } => "DAB0702",
            Self::MixedName { .. } => "DAB0345",
            Self::TwoWriters { .. } => "DAB0703",
            Self::Claimed { .. } => "DAB0723",
            Self::ClaimLost => claims::LOST.0,
            Self::Listen { .. } => "DAB0704",
            Self::Task { .. } => "DAB0705",
            Self::NoSuchRecord { .. } => "DAB0706",
            Self::LookupQuery { .. } => "DAB0286",
            Self::RuleLimit { .. } => "DAB0709",
            Self::RawBytesGone { .. } => "DAB0720",
            Self::OtherRecords { .. } => "DAB0721",
            Self::Unhealthy { .. } => "DAB0722",
            Self::CorrelationLosses { .. } => "DAB0236",
            Self::CorrelationState { .. } => "DAB0237",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::RuleLimit { file, .. } if !file.is_empty() => Some(Place::Object(file.clone())),
            _ => None,
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Checkpoint { .. } => {
                "run the dab that wrote it, or give the source another name to begin anew".into()
            }
            Self::UnknownLogSource { known, .. } => format!("use one of: {known}"),
            Self::MixedName { .. } => "give the entry of `ingest.mixed` another name".into(),
            Self::TwoWriters { .. } => {
                "stop the other process, or give one of the sources another name".into()
            }
            Self::Claimed { .. } => {
                "wait until it has ended; without `--once`, `dab run` stands by and takes over then".into()
            }
            Self::ClaimLost => {
                "start dab again: it goes on where the other one ends. If machine and store are well, \
                 look whether this process was suspended"
                    .into()
            }
            Self::Listen { .. } => {
                "choose another address for `listen`; port 0 takes any that is free".into()
            }
            Self::Task { .. } => "start dab again; it goes on from the last commit".into(),
            Self::CorrelationLosses { too_late, evicted, .. } if evicted > too_late => {
                "let its rules match fewer events, or shorten its `timespan`".into()
            }
            Self::CorrelationLosses { .. } => {
                "give it a longer `lateness` if its sources lag behind one another".into()
            }
            Self::CorrelationState { .. } => {
                "look at what wrote there; correlations count again from now on".into()
            }
            Self::LookupQuery { help: Some(help), .. } => help.clone(),
            Self::LookupQuery { .. } => {
                "try the query with `dab sql`; until it runs, the table stays as it was".into()
            }
            Self::RuleLimit { .. } => {
                "make the rule narrower; `dab backtest` shows what it matches".into()
            }
            Self::Unhealthy { .. } => "its alert says what to do; `dab status` has the figures".into(),
            Self::RawBytesGone { .. } => {
                "its rows stay as they are; restore the object from a backup: it was not retention that \
                 dropped it"
                    .into()
            }
            Self::OtherRecords { .. } => {
                "its rows stay as they are; give the log source the `format` it had, or take the \
                 objects in again under another source and table"
                    .into()
            }
            Self::NoSuchRecord { .. } => "`dab quarantine list` shows the ids".into(),
        })
    }
}
