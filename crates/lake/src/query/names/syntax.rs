//! SQL's syntax tree, taken apart and put together.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Subscript,
    Value,
};

/// `name(first, 'a', 'b')`.
pub(super) fn call<'k>(name: &str, first: Expr, keys: impl Iterator<Item = &'k str>) -> Expr {
    let literal = |key: &str| Expr::value(Value::SingleQuotedString(key.to_owned()));
    function(name, std::iter::once(first).chain(keys.map(literal)).collect())
}

pub(super) fn function(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

pub(super) fn last_part(name: &ObjectName) -> String {
    let ident = name.0.last().and_then(ObjectNamePart::as_ident);
    ident.map(|ident| ident.value.clone()).unwrap_or_default()
}

pub(super) fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    use JoinOperator as J;
    match operator {
        J::Join(on)
        | J::Inner(on)
        | J::Left(on)
        | J::LeftOuter(on)
        | J::Right(on)
        | J::RightOuter(on)
        | J::FullOuter(on)
        | J::CrossJoin(on)
        | J::Semi(on)
        | J::LeftSemi(on)
        | J::RightSemi(on)
        | J::Anti(on)
        | J::LeftAnti(on)
        | J::RightAnti(on)
        | J::StraightJoin(on) => Some(on),
        _ => None,
    }
}

/// The names of `a.b.c`, `a['b']['c']` and mixtures.
pub(in crate::query) fn path_of(expr: &Expr) -> Option<Vec<Ident>> {
    match expr {
        Expr::Identifier(ident) => Some(vec![ident.clone()]),
        Expr::CompoundIdentifier(path) => Some(path.clone()),
        Expr::Function(function) => keyword(function).map(|ident| vec![ident]),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let mut path = path_of(root)?;
            for access in access_chain {
                path.push(match access {
                    AccessExpr::Dot(_) => name_of(access)?,
                    AccessExpr::Subscript(Subscript::Index { index: Expr::Value(value) }) => {
                        match &value.value {
                            Value::SingleQuotedString(key) => quoted(key),
                            _ => return None,
                        }
                    }
                    AccessExpr::Subscript(_) => return None,
                });
            }
            Some(path)
        }
        _ => None,
    }
}

/// `user`, which SQL takes for a function and logs for a field.
pub(super) fn keyword(function: &Function) -> Option<Ident> {
    let ident = match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident,
        _ => return None,
    };
    let bare = function.args == FunctionArguments::None;
    (bare && ident.value.eq_ignore_ascii_case("user")).then(|| ident.clone())
}

/// The name after a dot.
pub(super) fn name_of(access: &AccessExpr) -> Option<Ident> {
    match access {
        AccessExpr::Dot(Expr::Identifier(ident)) => Some(ident.clone()),
        AccessExpr::Dot(Expr::Function(function)) => keyword(function),
        _ => None,
    }
}

/// Moves the names that follow a name into it (`t.tags[1]` is the column `t.tags`, then `[1]`), and
/// makes keys of all others: they would be taken for names of columns.
pub(in crate::query) fn regroup(root: &mut Expr, access_chain: &mut Vec<AccessExpr>) {
    if let Some(mut path) = path_of(root) {
        let names = access_chain.iter().map_while(name_of).count();
        path.extend(access_chain.drain(..names).filter_map(|access| name_of(&access)));
        if names > 0 {
            *root = Expr::CompoundIdentifier(path);
        }
    }
    for access in access_chain {
        if let Some(ident) = name_of(access) {
            let key = Expr::value(Value::SingleQuotedString(ident.value));
            *access = AccessExpr::Subscript(Subscript::Index { index: key });
        }
    }
}
