//! Why a rule was not loaded: what, where in its file, and how to put it right.

use base::{Code, Explain, Place};

/// A rule document that was not loaded, or that was loaded and needs a look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct RuleError {
    /// The file, as the caller named it.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// What is wrong.
    pub kind: RuleErrorKind,
    /// What to do about it.
    pub help: Option<String>,
}

/// What is wrong with a rule document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleErrorKind {
    /// The text is no YAML, or exceeds a limit.
    #[error("the rule can't be read as YAML: {0}")]
    Yaml(String),
    /// A key is missing, unexpected or of the wrong kind.
    #[error("{0}")]
    Shape(String),
    /// A modifier is unknown or stands where it makes no sense.
    #[error("{0}")]
    Modifier(String),
    /// A value does not fit its modifiers.
    #[error("{0}")]
    Value(String),
    /// The condition can't be read, or names a selection that is not there.
    #[error("{0}")]
    Condition(String),
    /// A placeholder that nobody gave values for.
    #[error("{0}")]
    Placeholder(String),
    /// A kind of detection that the stream evaluator does not run.
    #[error("{0}")]
    NotStreamed(String),
    /// The CEL expression can't be compiled. The code and the help are the expression's own.
    #[error("the expression can't be compiled: {}", .0.kind)]
    Cel(Box<cel::CelError>),
    /// A macro is wrong. The code and the help are its own.
    #[error("{0}")]
    Macro(Box<cel::MacroError>),
    /// The declaration of a lookup table is wrong. The code and the help are its own.
    #[error("{0}")]
    Lookup(Box<cel::LookupError>),
    /// Another rule has the same id.
    #[error("{0}")]
    Duplicate(String),
    /// A filter or correlation names a rule that is not there.
    #[error("{0}")]
    Reference(String),
    /// A filter names a rule of another log source.
    #[error("{0}")]
    FilterSource(String),
    /// A filter applies to nothing.
    #[error("{0}")]
    Idle(String),
    /// Another rule has the same name.
    #[error("{0}")]
    SameName(String),
    /// A filter names a correlation.
    #[error("{0}")]
    FilteredCorrelation(String),
    /// A key of a correlation is missing, unexpected or of the wrong kind.
    #[error("{0}")]
    Correlation(String),
    /// The condition of a correlation can't be read.
    #[error("{0}")]
    CorrelationCondition(String),
    /// A duration can't be read.
    #[error("{0}")]
    Timespan(String),
    /// An alias does not fit the rules.
    #[error("{0}")]
    Alias(String),
    /// Correlations stand on each other in a circle.
    #[error("{0}")]
    Cycle(String),
    /// A correlation asks for more than is held.
    #[error("{0}")]
    CorrelationLimit(String),
}

impl RuleError {
    /// An error at a place of a file whose name [`Self::in_file`] adds.
    pub(crate) const fn at(line: u32, column: u32, kind: RuleErrorKind) -> Self {
        Self { path: String::new(), line, column, kind, help: None }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn in_file(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }
}

impl Explain for RuleError {
    fn code(&self) -> Code {
        Code(match &self.kind {
            RuleErrorKind::Yaml(_) => "DAB0201",
            RuleErrorKind::Shape(_) => "DAB0202",
            RuleErrorKind::Modifier(_) => "DAB0204",
            RuleErrorKind::Value(_) => "DAB0205",
            RuleErrorKind::Condition(_) => "DAB0206",
            RuleErrorKind::Placeholder(_) => "DAB0207",
            RuleErrorKind::NotStreamed(_) => "DAB0208",
            RuleErrorKind::Cel(error) => return error.code(),
            RuleErrorKind::Macro(error) => return error.code(),
            RuleErrorKind::Lookup(error) => return error.code(),
            RuleErrorKind::Duplicate(_) => "DAB0209",
            RuleErrorKind::Reference(_) => "DAB0210",
            RuleErrorKind::FilterSource(_) => "DAB0211",
            RuleErrorKind::Idle(_) => "DAB0212",
            RuleErrorKind::SameName(_) => "DAB0213",
            RuleErrorKind::FilteredCorrelation(_) => "DAB0214",
            RuleErrorKind::Correlation(_) => "DAB0230",
            RuleErrorKind::CorrelationCondition(_) => "DAB0231",
            RuleErrorKind::Timespan(_) => "DAB0232",
            RuleErrorKind::Alias(_) => "DAB0233",
            RuleErrorKind::Cycle(_) => "DAB0234",
            RuleErrorKind::CorrelationLimit(_) => "DAB0235",
        })
    }

    fn place(&self) -> Option<Place> {
        Some(Place::File { path: self.path.clone(), line: self.line, column: self.column })
    }

    fn help(&self) -> Option<String> {
        match &self.kind {
            RuleErrorKind::Cel(error) => error.help(),
            RuleErrorKind::Macro(error) => error.help(),
            RuleErrorKind::Lookup(error) => error.help(),
            _ => self.help.clone(),
        }
    }
}
