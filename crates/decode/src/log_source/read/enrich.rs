//! The `enrich` of a log source.

use base::FieldPath;

use super::{
    super::{
        Enrich, EnrichField, FieldRule, ecs,
        yaml::{self, Content, Node},
    },
    fields::check_name,
    read_type,
    shape::{Keys, Report},
};

const ENRICH_KEYS: &[&str] = &["lookup", "key", "fields"];
const FIELD_KEYS: &[&str] = &["column", "type"];

/// `fields`: the normalized fields that there are without it.
pub(super) fn read_enrich(
    node: Option<&Node>,
    fields: &[FieldRule],
    report: &mut Report<'_>,
) -> Vec<Enrich> {
    let Some(node) = node else { return Vec::new() };
    let mut names: Vec<String> = fields.iter().map(|rule| rule.name.as_str().to_owned()).collect();
    let members = report.list(node, "`enrich`").unwrap_or_default();
    members.iter().filter_map(|member| read_one(member, &mut names, report)).collect()
}

fn read_one(node: &Node, names: &mut Vec<String>, report: &mut Report<'_>) -> Option<Enrich> {
    let keys = Keys::of(node, "a member of `enrich`", ENRICH_KEYS, report)?;
    for (key, help) in [
        ("lookup", "name a lookup table, which stands under `lookups` beside the rules"),
        ("key", "name the field whose value the table is asked for"),
        ("fields", "write which field is which column: `source.geo.country_iso_code: country`"),
    ] {
        if keys.get(key).is_none() {
            report.wrong(node.at, format!("`{key}` is missing"), help);
            return None;
        }
    }
    let lookup = keys.text("lookup", report)?;
    let key = keys.one_or_many("key", report).into_iter().map(FieldPath::new).collect();
    let mut fields = Vec::new();
    for (name, value) in keys.entries("fields", report) {
        let others: Vec<&str> = names.iter().map(String::as_str).collect();
        check_name(name.at, &name.text, &others, report);
        if let Some(field) = read_field(&name.text, value, report) {
            fields.push(field);
        }
        names.push(name.text.clone());
    }
    let place = yaml::place(report.path, lookup.0);
    Some(Enrich { lookup: lookup.1.to_owned(), key, fields, place })
}

fn read_field(name: &str, node: &Node, report: &mut Report<'_>) -> Option<EnrichField> {
    let field = |column: &str, column_type| EnrichField {
        name: FieldPath::new(name),
        column: column.to_owned(),
        column_type,
    };
    if !matches!(node.content, Content::Map(_)) {
        let column = report.text(node, "a column's name")?;
        return Some(field(column, ecs::column_type(name)));
    }
    let keys = Keys::of(node, &format!("field `{name}`"), FIELD_KEYS, report)?;
    let Some((_, column)) = keys.text("column", report) else {
        report.wrong(node.at, "`column` is missing", "name a column of the lookup table");
        return None;
    };
    let column_type = match keys.get("type") {
        Some(node) => read_type(node, "`type`", report)?,
        None => ecs::column_type(name),
    };
    Some(field(column, column_type))
}
