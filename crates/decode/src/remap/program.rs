//! Programs: compiled once, run on every event.

use std::ops::ControlFlow;

use base::{Object, limits::VRL_STEPS_MAX};
use vrl::{
    compiler::{
        self, CompileConfig, ExpressionError, Function, Parameter, TargetValue, TimeZone,
        TypeState,
        function::{
            ArgumentList, Compiled, Error, Example, FunctionCompileContext, closure::Definition,
        },
        runtime::{Runtime, Terminate},
        state::ExternalEnv,
    },
    diagnostic::{Diagnostic, Label, Note},
    value::{Secrets, Value as Vrl},
};

use super::{
    Mistake,
    convert::{from_vrl, to_vrl},
};
use crate::{Reject, RejectKind};

/// Functions that programs can't call, with why.
pub(super) const REFUSED: &[(&[&str], &str)] = &[
    (
        &[
            "dns_lookup",
            "encode_proto",
            "get_env_var",
            "get_hostname",
            "get_timezone_name",
            "http_request",
            "log",
            "now",
            "parse_etld",
            "parse_groks",
            "parse_klog",
            "parse_linux_authorization",
            "parse_proto",
            "parse_syslog",
            "random_bool",
            "random_bytes",
            "random_float",
            "random_int",
            "reverse_dns",
            "uuid_v4",
            "uuid_v7",
            "validate_json_schema",
        ],
        "its answer depends on more than the event (the clock, a file, the network, chance), and a record \
         that is replayed must become the same event",
    ),
    (
        &[
            "decode_gzip",
            "decode_lz4",
            "decode_snappy",
            "decode_zlib",
            "decode_zstd",
            "format_number",
            "parse_grok",
            "set",
            "unnest",
        ],
        "what it makes of a few bytes, or how long it takes for them, has no bound",
    ),
];

/// VRL's number for a call of what it does not know.
const UNDEFINED_FUNCTION: usize = 105;

/// A program, compiled.
#[derive(Debug)]
pub(crate) struct Program {
    text: String,
    program: compiler::Program,
    zone: TimeZone,
}

impl Program {
    pub(crate) fn new(text: &str) -> Result<Self, Vec<Mistake>> {
        let (env, config) = (ExternalEnv::default(), CompileConfig::default());
        let compiled = compiler::compile_with_external(text, &functions(), &env, config).map_err(
            |diagnostics| {
                let problems = diagnostics.into_iter().filter(Diagnostic::is_problem);
                problems.map(|problem| mistake(text, problem)).collect::<Vec<_>>()
            },
        )?;
        // A zone that is always known: the default is the machine's own.
        let zone = TimeZone::parse("UTC").unwrap_or_default();
        Ok(Self { text: text.to_owned(), program: compiled.program, zone })
    }

    /// The event's own fields as the program leaves them.
    pub(crate) fn apply<'a>(&self, fields: Object<'a>) -> Result<Object<'a>, Reject> {
        let mut target = TargetValue {
            value: Vrl::Object(to_vrl(&fields)),
            metadata: Vrl::Object(vrl::value::ObjectMap::new()),
            secrets: Secrets::default(),
        };
        let mut left = VRL_STEPS_MAX;
        let mut control = || match left.checked_sub(1) {
            Some(fewer) => {
                left = fewer;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        };
        Runtime::default()
            .resolve_with_control(&mut target, &self.program, &self.zone, &mut control)
            .map_err(|ended| failed(&self.text, &ended))?;
        from_vrl(fields, target.value)
    }
}

fn why_refused(name: &str) -> Option<&'static str> {
    let refused = REFUSED.iter().find(|(names, _)| names.contains(&name));
    refused.map(|(_, why)| *why)
}

fn functions() -> Vec<Box<dyn Function>> {
    let all = vrl::stdlib::all().into_iter();
    let all = all.filter(|function| why_refused(function.identifier()).is_none());
    all.map(|function| -> Box<dyn Function> {
        match function.parameters().iter().any(|parameter| parameter.keyword == ZONE) {
            true => Box::new(Zoned(function)),
            false => function,
        }
    })
    .collect()
}

/// The argument that names a zone of time.
const ZONE: &str = "timezone";

/// A function with such an argument, which it takes only if the program says which zone: the machine's own may
/// be another one where a record is replayed.
#[derive(Debug)]
struct Zoned(Box<dyn Function>);

impl Function for Zoned {
    fn identifier(&self) -> &'static str {
        self.0.identifier()
    }

    fn usage(&self) -> &'static str {
        self.0.usage()
    }

    fn category(&self) -> &'static str {
        self.0.category()
    }

    fn return_kind(&self) -> u16 {
        self.0.return_kind()
    }

    fn pure(&self) -> bool {
        self.0.pure()
    }

    fn examples(&self) -> &'static [Example] {
        self.0.examples()
    }

    fn parameters(&self) -> &'static [Parameter] {
        self.0.parameters()
    }

    fn closure(&self) -> Option<Definition> {
        self.0.closure()
    }

    fn compile(
        &self,
        state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        if let Some(zone) = arguments.optional_literal(ZONE, state)? {
            let name = zone.as_bytes().map_or(&[][..], |name| name);
            if name.is_empty() || name.eq_ignore_ascii_case(b"local") {
                let error = "name the zone, such as `Europe/Berlin`: that of the machine is not the same for ever";
                return Err(Box::new(Error::InvalidArgument { keyword: ZONE, value: zone, error }));
            }
        }
        self.0.compile(state, context, arguments)
    }
}

/// VRL's own words: what is wrong, and under that what it says beside it.
fn mistake(text: &str, diagnostic: Diagnostic) -> Mistake {
    let Diagnostic { code, message, labels, notes, .. } = diagnostic;
    let (primary, others) = labels.into_iter().partition::<Vec<_>, _>(|label| label.primary);
    let at = primary.iter().chain(&others).map(|label| label.span.start()).next().unwrap_or(0);
    let name = text.get(at..).unwrap_or_default();
    let name = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
    if code == UNDEFINED_FUNCTION {
        let help = why_refused(name).map(|why| format!("it is left out: {why}"));
        let message = format!("VRL E{code}: there is no function `{name}`");
        return Mistake { message, help: help.or_else(|| joined(others, &notes)), at };
    }
    let said = primary.into_iter().map(|label| label.message).find(|said| !said.is_empty());
    let said = said.map_or_else(String::new, |said| format!(": {said}"));
    Mistake { message: format!("VRL E{code}: {message}{said}"), help: joined(others, &notes), at }
}

fn joined(labels: Vec<Label>, notes: &[Note]) -> Option<String> {
    // Where its documentation is, it says with every mistake.
    let notes = notes.iter().map(ToString::to_string).filter(|note| !note.starts_with("see "));
    let all = labels.into_iter().map(|label| label.message).chain(notes);
    let all = all.map(|said| said.trim().to_owned()).filter(|said| !said.is_empty());
    let all = all.collect::<Vec<_>>().join("; ").replace(":; ", ": ");
    (!all.is_empty()).then_some(all)
}

/// What VRL says, without more of the record than a reason needs.
fn short(text: &str, error: &ExpressionError) -> String {
    const CHARS_MAX: usize = 200;
    let said = error.to_string();
    let said = placed(text, &said).unwrap_or(said);
    match said.char_indices().nth(CHARS_MAX) {
        None => said,
        Some((end, _)) => format!("{}…", said.get(..end).unwrap_or_default()),
    }
}

/// VRL names the bytes of the call that failed (`… at (76:93): …`), which read like a line and a column: these
/// are named instead.
fn placed(text: &str, said: &str) -> Option<String> {
    let (call, rest) = said.split_once(" at (")?;
    let (span, rest) = rest.split_once(')')?;
    let (start, _) = span.split_once(':').filter(|_| call.starts_with("function call error"))?;
    let before = text.get(..start.parse().ok()?)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next()?.chars().count() + 1;
    Some(format!("{call} in its line {line}, column {column}{rest}"))
}

fn failed(text: &str, ended: &Terminate) -> Reject {
    let (message, help) = match ended {
        Terminate::Interrupted => (
            format!("the program `vrl` took more than {VRL_STEPS_MAX} steps"),
            "have it loop over less",
        ),
        Terminate::Abort(error) => (
            format!("the program `vrl` gave the record up: {}", short(text, error)),
            "it says `abort` for such records; change it if they are to be kept, then replay",
        ),
        Terminate::Error(error) => (
            format!("the program `vrl` failed: {}", short(text, error)),
            "handle the error in it (`value, err = …`, or `?? null`), then replay",
        ),
    };
    Reject::new(RejectKind::Remap, message).help(help)
}
