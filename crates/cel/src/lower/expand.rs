//! Puts a macro's body in the place of its call.

use base::limits;
use cel_parser::common::ast::IdedExpr;

use super::{Local, Lowering, parse};
use crate::{
    error::{CelError, CelErrorKind},
    macros::Macro,
    node::Node,
    path::Path,
    types::Type,
};

/// What a parameter of the macro that is being compiled stands for.
#[derive(Debug, Clone)]
pub(super) struct Alias {
    name: String,
    node: Node,
    /// The fields that it reads.
    paths: Vec<Path>,
    /// How many levels it has.
    height: usize,
}

impl Lowering<'_> {
    pub(super) fn expand(
        &mut self,
        expr: &IdedExpr,
        known: &Macro,
        args: &[IdedExpr],
    ) -> Result<Node, CelError> {
        if args.len() != known.parameters.len() {
            let kinds = known.parameters.iter().map(|(name, kind)| format!("{name}: {kind}"));
            let message = format!("the macro takes ({})", kinds.collect::<Vec<_>>().join(", "));
            let help = format!("write `{}`", known.usage);
            return Err(self.error(expr, CelErrorKind::Macro { message, help }));
        }
        if self.expansions >= limits::CEL_EXPANSIONS_MAX
            || self.inside >= limits::CEL_EXPANSION_DEPTH_MAX
        {
            return Err(self.error(expr, CelErrorKind::TooLarge("large with its macros put in")));
        }
        let mut aliases = Vec::with_capacity(args.len());
        for ((name, kind), arg) in known.parameters.iter().zip(args) {
            aliases.push(self.alias(name, kind, arg)?);
        }
        // Places of variables are counted from the outermost: those of the caller stay, unnamed.
        let hidden = || Local { name: String::new(), is_slot: false };
        let locals = self.locals.iter().map(|_| hidden()).collect();
        let (options, test) = (self.options, self.test.take());
        let expansions = self.expansions + 1;
        let (depth, deepest, inside) = (self.depth, self.deepest, self.inside + 1);
        let done = parse(&known.body, |body, info| {
            let source = &known.body;
            let fields = Vec::new();
            let mut inner = Lowering {
                source,
                info,
                options,
                locals,
                fields,
                test,
                aliases,
                expansions,
                depth,
                deepest,
                inside,
            };
            let node = if inner.test.is_some() { inner.lower(body) } else { inner.condition(body) };
            node.map(|node| (node, inner.fields, inner.test, inner.expansions, inner.deepest))
        });
        match done {
            Ok((node, fields, test, expansions, deepest)) => {
                for field in fields {
                    if !self.fields.contains(&field) {
                        self.fields.push(field);
                    }
                }
                self.test = test;
                self.expansions = expansions;
                self.deepest = deepest;
                Ok(node)
            }
            Err(inner) => {
                let message = format!("in `{}`: {inner}", known.usage);
                let help = base::Explain::help(&inner).unwrap_or_default();
                Err(self.error(expr, CelErrorKind::Macro { message, help }))
            }
        }
    }

    fn alias(&mut self, name: &str, kind: &Type, arg: &IdedExpr) -> Result<Alias, CelError> {
        let outer = self.test.replace(Vec::new());
        let deepest = std::mem::replace(&mut self.deepest, self.depth);
        let node = self.lower(arg);
        let height = self.deepest - self.depth;
        self.deepest = self.deepest.max(deepest);
        let paths = std::mem::replace(&mut self.test, outer).unwrap_or_default();
        let node = node?;
        if let Node::Literal(value) = &node
            && !fits(kind, value.kind().name())
        {
            let message = format!("`{name}` is of type {kind}, and is given a {}", value.kind());
            let help = format!("give a value of type {kind}");
            return Err(self.error(arg, CelErrorKind::Macro { message, help }));
        }
        Ok(Alias { name: name.to_owned(), node, paths, height })
    }

    /// Whether a name is a parameter of the macro that is being compiled.
    pub(super) fn is_alias(&self, name: &str) -> bool {
        self.aliases.iter().any(|alias| alias.name == name)
    }

    /// What a parameter stands for, or a field of that.
    pub(super) fn aliased(&mut self, name: &str, parts: &[&str]) -> Option<Node> {
        let alias = self.aliases.iter().find(|alias| alias.name == name)?.clone();
        self.deepest = self.deepest.max(self.depth + alias.height);
        if let Node::Field { path, .. } = &alias.node {
            let path = self.joined(path, parts);
            let denotes = None;
            return Some(Node::Field { path, denotes });
        }
        if let Some(read) = &mut self.test {
            for path in alias.paths {
                if !read.iter().any(|known| known.name() == path.name()) {
                    read.push(path);
                }
            }
        }
        Some(if parts.is_empty() {
            alias.node
        } else {
            Node::Select { operand: Box::new(alias.node), path: Path::new(parts) }
        })
    }

    /// The field that a parameter stands for, for `has`.
    pub(super) fn aliased_field(&mut self, name: &str, parts: &[&str]) -> Option<Path> {
        let alias = self.aliases.iter().find(|alias| alias.name == name)?;
        let Node::Field { path, .. } = &alias.node else { return None };
        let path = path.clone();
        Some(self.joined(&path, parts))
    }

    fn joined(&mut self, path: &Path, parts: &[&str]) -> Path {
        let mut all: Vec<&str> = (0..path.len()).filter_map(|at| path.part(at)).collect();
        all.extend(parts);
        match all.split_first() {
            Some((first, rest)) => self.field(first, rest),
            None => path.clone(),
        }
    }
}

/// Whether a literal of a type fits a parameter, as far as its outermost type tells.
fn fits(kind: &Type, given: &str) -> bool {
    let name = kind.to_string();
    let name = name.split('(').next().unwrap_or_default();
    name == "dyn" || name == given
}
