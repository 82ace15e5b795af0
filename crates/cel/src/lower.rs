//! From the parser's tree to the compiled form, with all checks on the way.

mod calls;
mod expand;
mod fold;
mod syntax;

use std::{borrow::Cow, sync::Arc};

use base::limits;
use cel_parser::{
    Env,
    common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, SourceInfo},
    parser::{ParseError, ParseErrors},
};

use expand::Alias;

use crate::{
    cost,
    error::{CelError, CelErrorKind},
    functions,
    lookup::Lookups,
    macros::Macros,
    node::{Node, Test},
    path::Path,
    print, scan,
    value::{CelList, CelType, CelValue},
};

/// A compiled expression and the fields it reads.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) root: Node,
    pub(crate) fields: Vec<String>,
}

/// How an expression is compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'o> {
    /// Whether calls of unknown functions are mistakes, and not errors of evaluation.
    pub(crate) is_checked: bool,
    /// The namespace in which names are looked up first.
    pub(crate) container: &'o str,
    /// Whether constants are computed once.
    pub(crate) is_folded: bool,
    /// The tables it may ask.
    pub(crate) lookups: Option<&'o dyn Lookups>,
    /// The macros it may use.
    pub(crate) macros: Option<&'o Macros>,
}

/// Parses and compiles `source`.
pub(crate) fn compile(source: &str, options: Options<'_>) -> Result<Lowered, CelError> {
    with_tree(source, |expr, info| {
        let mut lowering = Lowering {
            source,
            info,
            options,
            locals: Vec::new(),
            fields: Vec::new(),
            test: None,
            aliases: Vec::new(),
            expansions: 0,
            depth: 0,
            deepest: 0,
            inside: 0,
        };
        let root = lowering.condition(expr)?;
        if lowering.deepest > limits::CEL_EXPANDED_DEPTH_MAX {
            let kind = CelErrorKind::TooLarge("deeply nested with its macros put in");
            return Err(error_at(source, info, expr, kind));
        }
        cost::check(source, info, expr, options.macros)?;
        Ok(Lowered { root, fields: lowering.fields })
    })
}

/// Parses `source` and gives its tree to `work`, on a stack that is large enough for both.
pub(crate) fn with_tree<T: Send>(
    source: &str,
    work: impl FnOnce(&IdedExpr, &SourceInfo) -> Result<T, CelError> + Send,
) -> Result<T, CelError> {
    scan::check(source)?;
    // The parser takes up to 150 KiB of stack for each pair of brackets, more than the caller's
    // thread may have left; a thread of its own costs 50 µs, once for each expression.
    let outcome = std::thread::scope(|scope| {
        let parser = std::thread::Builder::new()
            .name("cel-compile".to_owned())
            .stack_size(limits::CEL_COMPILE_STACK_BYTES)
            .spawn_scoped(scope, || parse(source, work));
        parser.map(|thread| thread.join())
    });
    match outcome {
        Ok(Ok(compiled)) => compiled,
        // The parser panicked. It says nothing about where, so neither can this.
        Ok(Err(_)) => Err(unplaced("the parser gave up on this expression")),
        Err(_) => Err(unplaced("the system has no thread left to parse this expression")),
    }
}

fn unplaced(message: &str) -> CelError {
    CelError { line: 1, column: 1, kind: CelErrorKind::syntax(message) }
}

fn parse<T>(
    source: &str,
    work: impl FnOnce(&IdedExpr, &SourceInfo) -> Result<T, CelError>,
) -> Result<T, CelError> {
    // An empty environment expands no macros: they are compiled from their calls.
    let parser =
        Env::default().parser().enable_optional_syntax(true).enable_ident_escape_syntax(true);
    let (expr, info) =
        parser.parse_with_source_info(source).map_err(|errors| syntax_error(&errors))?;
    work(&expr, &info)
}

fn syntax_error(errors: &ParseErrors) -> CelError {
    // What the parser says about an incomplete tree speaks of the parser's own parts.
    let is_plain = |error: &&ParseError| error.msg.starts_with("Syntax error");
    let first = errors.errors.iter().find(is_plain).or_else(|| errors.errors.first());
    let (line, column) = first.map_or((1, 1), |error| error.pos);
    CelError {
        line: u32::try_from(line).unwrap_or(1).max(1),
        column: u32::try_from(column).unwrap_or(1).max(1),
        kind: syntax::plain(first.map_or("syntax error", |error| error.msg.as_str())),
    }
}

struct Lowering<'s> {
    source: &'s str,
    info: &'s SourceInfo,
    options: Options<'s>,
    /// The variables of the enclosing macros, outermost first.
    locals: Vec<Local>,
    /// The fields read so far, in order of appearance.
    fields: Vec<String>,
    /// The fields read by the test that is being compiled, if one is.
    test: Option<Vec<Path>>,
    /// What the parameters of the macro that is being compiled stand for.
    aliases: Vec<Alias>,
    /// How many macros were put in so far.
    expansions: usize,
    /// How deep the part that is being compiled is, and the deepest so far.
    depth: usize,
    deepest: usize,
    /// How many macros are around.
    inside: usize,
}

/// A name that an expression binds.
#[derive(Debug)]
struct Local {
    name: String,
    /// Whether its value may have failed.
    is_slot: bool,
}

impl Lowering<'_> {
    /// Compiles a boolean expression: one made of tests, or a test.
    fn condition(&mut self, expr: &IdedExpr) -> Result<Node, CelError> {
        if self.test.is_some() || is_logic(expr) {
            return self.lower(expr);
        }
        self.test = Some(Vec::new());
        let inner = self.lower(expr);
        let paths = self.test.take().unwrap_or_default();
        let inner = inner?;
        if paths.is_empty() {
            return Ok(inner);
        }
        // With several fields, leaving one out would not read well.
        let text = if paths.len() == 1 { print::test(expr) } else { print::expression(expr) };
        Ok(Node::Test(Box::new(Test { inner, paths, text })))
    }

    /// Compiles any expression.
    fn lower(&mut self, expr: &IdedExpr) -> Result<Node, CelError> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        let node = self.lower_parts(expr);
        self.depth -= 1;
        let node = node?;
        Ok(if self.options.is_folded { fold::fold(node) } else { node })
    }

    fn lower_parts(&mut self, expr: &IdedExpr) -> Result<Node, CelError> {
        match &expr.expr {
            Expr::Literal(literal) => Ok(Node::Literal(constant(literal))),
            Expr::Ident(_) | Expr::Select(_) => self.selection(expr),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => {
                let members = self.all(&list.elements)?;
                if list.optional_indices.is_empty() {
                    return Ok(fold_list(members));
                }
                let marked = members.into_iter().enumerate();
                let is_marked = |at: usize| list.optional_indices.contains(&at);
                Ok(Node::OptionalList(marked.map(|(at, node)| (is_marked(at), node)).collect()))
            }
            Expr::Map(map) => self.map(expr, map),
            Expr::Struct(_) => Err(self.error(
                expr,
                CelErrorKind::Unsupported {
                    what: "a message literal",
                    help: "write a map, such as `{\"name\": value}`",
                },
            )),
            Expr::Comprehension(_) | Expr::Unspecified => {
                Err(self.error(expr, CelErrorKind::syntax("this is not a complete expression")))
            }
        }
    }

    fn all(&mut self, exprs: &[IdedExpr]) -> Result<Vec<Node>, CelError> {
        exprs.iter().map(|expr| self.lower(expr)).collect()
    }

    /// A name, or fields selected from a value.
    fn selection(&mut self, expr: &IdedExpr) -> Result<Node, CelError> {
        let (base, parts) = split(expr);
        match &base.expr {
            Expr::Ident(name) => Ok(self.name(name, &parts)),
            _ => {
                let operand = Box::new(self.lower(base)?);
                Ok(Node::Select { operand, path: Path::new(&parts) })
            }
        }
    }

    /// `x.?field`.
    fn optional_select(&mut self, operand: &IdedExpr, field: &str) -> Result<Node, CelError> {
        let operand = Box::new(self.lower(operand)?);
        Ok(Node::OptionalSelect { operand, path: Path::new(&[field]) })
    }

    fn name(&mut self, name: &str, parts: &[&str]) -> Node {
        if let Some(variable) = self.variable(name) {
            return if parts.is_empty() {
                variable
            } else {
                Node::Select { operand: Box::new(variable), path: Path::new(parts) }
            };
        }
        if let Some(node) = self.aliased(name, parts) {
            return node;
        }
        let path = self.field(name, parts);
        let denotes = CelType::named(path.name());
        let field = Node::Field { path, denotes };
        if self.options.container.is_empty() || name.starts_with('.') {
            return field;
        }
        let mut qualified = Vec::new();
        let mut container = self.options.container;
        while !container.is_empty() {
            let mut all: Vec<&str> = container.split('.').chain([name]).collect();
            all.extend(parts);
            qualified.push(Path::new(&all));
            container = container.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
        Node::Qualified(qualified, Box::new(field))
    }

    /// The node for a bound name.
    fn variable(&self, name: &str) -> Option<Node> {
        let place = self.local(name)?;
        let is_slot = self.locals.get(place).is_some_and(|local| local.is_slot);
        Some(if is_slot { Node::Slot(place) } else { Node::Local(place) })
    }

    /// The place of a macro's variable; the innermost of a name hides the others.
    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|local| local.name == name)
    }

    /// Takes note of a field that is read.
    fn field(&mut self, name: &str, parts: &[&str]) -> Path {
        // `.name` is the same as `name`, except that it never means a macro's variable.
        let mut all = vec![name.trim_start_matches('.')];
        all.extend(parts);
        let path = Path::new(&all);
        if !self.fields.iter().any(|field| **field == **path.name()) {
            self.fields.push(path.name().to_string());
        }
        if let Some(read) = &mut self.test
            && !read.iter().any(|other| other.name() == path.name())
        {
            read.push(path.clone());
        }
        path
    }

    fn map(&mut self, expr: &IdedExpr, map: &MapExpr) -> Result<Node, CelError> {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                let kind = CelErrorKind::syntax("a map has keys and values");
                return Err(self.error(expr, kind));
            };
            let pair = [self.lower(&entry.key)?, self.lower(&entry.value)?];
            entries.push((entry.optional, pair));
        }
        if entries.iter().any(|(is_optional, _)| *is_optional) {
            return Ok(Node::OptionalMap(entries));
        }
        Ok(Node::Map(entries.into_iter().map(|(_, pair)| pair).collect()))
    }

    /// Compiles an expression where a type's name means the type, even if a field has that name.
    fn lower_type(&mut self, expr: &IdedExpr) -> Result<Node, CelError> {
        match &expr.expr {
            Expr::List(list) => {
                let members: Result<_, _> =
                    list.elements.iter().map(|member| self.lower_type(member)).collect();
                Ok(fold_list(members?))
            }
            Expr::Ident(_) | Expr::Select(_) => {
                let (base, mut parts) = split(expr);
                if let Expr::Ident(name) = &base.expr
                    && self.local(name).is_none()
                {
                    parts.insert(0, name);
                    if let Some(kind) = CelType::named(&parts.join(".")) {
                        return Ok(Node::Literal(CelValue::Type(kind)));
                    }
                }
                self.lower(expr)
            }
            _ => self.lower(expr),
        }
    }

    fn error(&self, expr: &IdedExpr, kind: CelErrorKind) -> CelError {
        error_at(self.source, self.info, expr, kind)
    }
}

/// A mistake at the place of `expr`.
pub(crate) fn error_at(
    source: &str,
    info: &SourceInfo,
    expr: &IdedExpr,
    kind: CelErrorKind,
) -> CelError {
    let start = info.offset_for(expr.id).map_or(0, |(start, _)| start);
    let start = usize::try_from(start).unwrap_or_default();
    let mut before = source.get(..start).unwrap_or_default();
    // The parser places a call at its parenthesis; people look for the name.
    let is_named = match &expr.expr {
        Expr::Call(call) => functions::is_word(&call.func_name),
        Expr::Struct(_) => true,
        _ => false,
    };
    if is_named {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let shorter = before.trim_end().trim_end_matches(word);
        if shorter.len() < before.trim_end().len() {
            before = shorter;
        }
    }
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    CelError {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        kind,
    }
}

/// Whether it is made of conditions, which are then the tests.
fn is_logic(expr: &IdedExpr) -> bool {
    matches!(
        &expr.expr,
        Expr::Call(CallExpr { func_name, target: None, .. })
            if matches!(func_name.as_str(), "_&&_" | "_||_" | "!_" | "_?_:_")
    )
}

/// The expression that fields are selected from, and their names in order.
pub(crate) fn split(expr: &IdedExpr) -> (&IdedExpr, Vec<&str>) {
    let (mut base, mut parts) = (expr, Vec::new());
    while let Expr::Select(select) = &base.expr {
        parts.push(select.field.as_str());
        base = &select.operand;
    }
    parts.reverse();
    (base, parts)
}

pub(crate) fn constant(literal: &LiteralValue) -> CelValue<'static> {
    match literal {
        LiteralValue::Boolean(value) => CelValue::Bool(*value.inner()),
        LiteralValue::Bytes(bytes) => CelValue::Bytes(Cow::Owned(bytes.inner().to_vec())),
        LiteralValue::Double(number) => CelValue::Double(*number.inner()),
        LiteralValue::Int(number) => CelValue::Int(*number.inner()),
        LiteralValue::Null => CelValue::Null,
        LiteralValue::String(text) => CelValue::Text(Cow::Owned(text.inner().to_owned())),
        LiteralValue::UInt(number) => CelValue::Uint(*number.inner()),
    }
}

/// A list of constants is a constant, built once.
fn fold_list(members: Vec<Node>) -> Node {
    if !members.iter().all(|member| matches!(member, Node::Literal(_))) {
        return Node::List(members);
    }
    let constants = members.into_iter().filter_map(|member| match member {
        Node::Literal(value) => Some(value),
        _ => None,
    });
    Node::Literal(CelValue::List(CelList::Built(Arc::new(constants.collect()))))
}
