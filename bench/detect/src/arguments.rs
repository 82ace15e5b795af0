//! The words that the program is started with.

use std::path::PathBuf;

use crate::Failure;

/// The words, read.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// `lanes`, `measure` or `compare`.
    pub(crate) task: String,
    /// The repository.
    pub(crate) root: PathBuf,
    /// The folder of logs and rules that others wrote.
    pub(crate) corpora: PathBuf,
    /// The folder that holds the lanes' events.
    pub(crate) lanes: PathBuf,
    /// The lane's name.
    pub(crate) lane: String,
    /// How many rules; `usize::MAX` for all.
    pub(crate) rules: usize,
    /// How many events each figure is measured over.
    pub(crate) events: usize,
    /// How many of those are used.
    pub(crate) take: usize,
    /// The engine's name.
    pub(crate) engine: String,
}

impl Arguments {
    /// Reads them.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = Self {
            task: words.next().unwrap_or_default(),
            root: PathBuf::from("."),
            corpora: PathBuf::new(),
            lanes: PathBuf::new(),
            lane: String::new(),
            rules: usize::MAX,
            events: 20_000,
            take: usize::MAX,
            engine: "dab".to_owned(),
        };
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{option}` wants a value"))?;
            let number = || value.parse().map_err(|_| format!("`{option}` wants a number"));
            match option.as_str() {
                "--root" => arguments.root = PathBuf::from(value),
                "--corpora" => arguments.corpora = PathBuf::from(value),
                "--lanes" => arguments.lanes = PathBuf::from(value),
                "--lane" => arguments.lane = value,
                "--rules" if value == "all" => arguments.rules = usize::MAX,
                "--rules" => arguments.rules = number()?,
                "--events" => arguments.events = number()?,
                "--take" => arguments.take = number()?,
                "--engine" => arguments.engine = value,
                _ => return Err(format!("there is no option `{option}`")),
            }
        }
        Ok(arguments)
    }
}
