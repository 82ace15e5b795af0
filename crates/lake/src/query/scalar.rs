//! The functions of addresses, JSON, regular expressions and places on earth that SQL has beside the
//! engine's own. They take and give text and numbers, row by row; null where an argument is null, or
//! is not what the function is about.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    net::IpAddr,
    ops::RangeInclusive,
    sync::Arc,
};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, BooleanArray, Float64Array, Int64Array, ListBuilder,
        StringArray, StringBuilder,
    },
    compute::cast,
    datatypes::{DataType, Field},
};
use base::{Value, limits};
use datafusion::{
    common::{Result, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::{
    json,
    network::{Network, address, is_private},
    regexp::Regexp,
};

/// What a function answers for a row.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Texts(Vec<Option<String>>),
}

/// What a function answers for all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returns {
    Bool,
    Int,
    Float,
    Text,
    Texts,
}

/// What is made once for many rows.
#[derive(Default)]
struct Made {
    networks: HashMap<String, Option<Network>>,
    regexps: HashMap<String, std::result::Result<Regexp, String>>,
}

/// The arguments of a row, as text: all are there.
type Args<'a> = &'a [&'a str];
type Call = fn(Args<'_>, &mut Made) -> std::result::Result<Option<Answer>, String>;

/// A function.
struct Spec {
    name: &'static str,
    count: RangeInclusive<usize>,
    returns: Returns,
    call: Call,
    /// How it is called.
    usage: &'static str,
}

const fn spec(
    name: &'static str,
    count: RangeInclusive<usize>,
    returns: Returns,
    call: Call,
    usage: &'static str,
) -> Spec {
    Spec { name, count, returns, call, usage }
}

/// All of them.
static FUNCTIONS: [Spec; 23] = [
    spec("ip_in_cidr", 2..=2, Returns::Bool, ip_in_cidr, "ip_in_cidr(address, '10.0.0.0/8')"),
    spec("ip_family", 1..=1, Returns::Int, ip_family, "ip_family(address)"),
    spec("ip_normalize", 1..=1, Returns::Text, ip_normalize, "ip_normalize(address)"),
    spec("ip_network", 2..=2, Returns::Text, ip_network, "ip_network(address, 24)"),
    spec("ip_is_private", 1..=1, Returns::Bool, ip_is_private, "ip_is_private(address)"),
    spec("ip_is_public", 1..=1, Returns::Bool, ip_is_public, "ip_is_public(address)"),
    spec("ip_is_loopback", 1..=1, Returns::Bool, ip_is_loopback, "ip_is_loopback(address)"),
    spec("is_ip", 1..=1, Returns::Bool, is_ip, "is_ip(text)"),
    spec(
        "cidr_contains",
        2..=2,
        Returns::Bool,
        cidr_contains,
        "cidr_contains('10.0.0.0/8', address)",
    ),
    spec("cidr_first", 1..=1, Returns::Text, cidr_first, "cidr_first('10.0.0.0/8')"),
    spec("cidr_last", 1..=1, Returns::Text, cidr_last, "cidr_last('10.0.0.0/8')"),
    spec("json_value", 2..=2, Returns::Text, json_value, "json_value(json, '$.a[0].b')"),
    spec("json_query", 2..=2, Returns::Text, json_query, "json_query(json, '$.a')"),
    spec("json_array", 1..=2, Returns::Texts, json_array, "json_array(json, '$.a')"),
    spec("json_keys", 1..=2, Returns::Texts, json_keys, "json_keys(json, '$.a')"),
    spec("json_length", 1..=2, Returns::Int, json_length, "json_length(json, '$.a')"),
    spec("json_type", 1..=2, Returns::Text, json_type, "json_type(json, '$.a')"),
    spec("json_exists", 2..=2, Returns::Bool, json_exists, "json_exists(json, '$.a')"),
    spec("json_valid", 1..=1, Returns::Bool, json_valid, "json_valid(text)"),
    spec(
        "json_contains",
        2..=3,
        Returns::Bool,
        json_contains,
        "json_contains(json, 'value', '$.a')",
    ),
    spec("regexp_extract", 2..=3, Returns::Text, regexp_extract, "regexp_extract(text, 'a(b)', 1)"),
    spec(
        "regexp_extract_all",
        2..=3,
        Returns::Texts,
        regexp_extract_all,
        "regexp_extract_all(text, 'a(b)', 1)",
    ),
    spec(
        "geo_distance_km",
        4..=4,
        Returns::Float,
        geo_distance_km,
        "geo_distance_km(lat, lon, lat, lon)",
    ),
];

/// A function as the engine takes it.
#[derive(Debug)]
pub(crate) struct ScalarFunction {
    index: usize,
    signature: Signature,
}

impl ScalarFunction {
    /// All functions.
    pub(crate) fn all() -> impl Iterator<Item = ScalarUDF> {
        (0..FUNCTIONS.len()).map(|index| {
            let signature = Signature::variadic_any(Volatility::Immutable);
            ScalarUDF::new_from_impl(Self { index, signature })
        })
    }

    /// The names, and how each is called.
    #[cfg(test)]
    fn usages() -> impl Iterator<Item = (&'static str, &'static str)> {
        FUNCTIONS.iter().map(|spec| (spec.name, spec.usage))
    }

    fn spec(&self) -> Option<&'static Spec> {
        FUNCTIONS.get(self.index)
    }
}

impl PartialEq for ScalarFunction {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl Eq for ScalarFunction {}

impl Hash for ScalarFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl ScalarUDFImpl for ScalarFunction {
    fn name(&self) -> &str {
        self.spec().map_or("", |spec| spec.name)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let Some(spec) = self.spec() else { return exec_err!("there is no such function") };
        if !spec.count.contains(&args.len()) {
            return plan_err!("`{}` is written {}", spec.name, spec.usage);
        }
        if let Some(odd) = args.iter().find(|found| found.is_nested()) {
            return plan_err!("`{}` takes text and numbers, not {odd}: {}", spec.name, spec.usage);
        }
        Ok(match spec.returns {
            Returns::Bool => DataType::Boolean,
            Returns::Int => DataType::Int64,
            Returns::Float => DataType::Float64,
            Returns::Text => DataType::Utf8,
            Returns::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(spec) = self.spec() else { return exec_err!("there is no such function") };
        let rows = args.number_rows;
        let mut texts = Vec::with_capacity(args.args.len());
        for arg in &args.args {
            texts.push(cast(&arg.to_array(rows)?, &DataType::Utf8)?);
        }
        let texts: Vec<&StringArray> = texts.iter().map(|array| array.as_string::<i32>()).collect();
        let mut made = Made::default();
        let mut answers = Vec::with_capacity(rows);
        let mut row_args = Vec::with_capacity(texts.len());
        for row in 0..rows {
            row_args.clear();
            let values = texts.iter().filter(|array| array.is_valid(row));
            row_args.extend(values.map(|array| array.value(row)));
            if row_args.len() < texts.len() {
                answers.push(None);
                continue;
            }
            match (spec.call)(&row_args, &mut made) {
                Ok(answer) => answers.push(answer),
                Err(message) => return exec_err!("{message}"),
            }
        }
        Ok(ColumnarValue::Array(array(spec.returns, answers)))
    }
}

fn array(returns: Returns, answers: Vec<Option<Answer>>) -> ArrayRef {
    /// An array of one kind of answers; of another kind there are none.
    macro_rules! of {
        ($array:ty, $kind:ident) => {
            Arc::new(
                answers
                    .into_iter()
                    .map(|answer| match answer {
                        Some(Answer::$kind(value)) => Some(value),
                        _ => None,
                    })
                    .collect::<$array>(),
            )
        };
    }
    match returns {
        Returns::Bool => of!(BooleanArray, Bool),
        Returns::Int => of!(Int64Array, Int),
        Returns::Float => of!(Float64Array, Float),
        Returns::Text => of!(StringArray, Text),
        Returns::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for answer in answers {
                match answer {
                    Some(Answer::Texts(texts)) => lists.append_value(texts),
                    _ => lists.append_null(),
                }
            }
            Arc::new(lists.finish())
        }
    }
}

type Done = std::result::Result<Option<Answer>, String>;

impl Made {
    /// A network that a query names; one that is none fails the query rather than finding nothing.
    fn network(&mut self, text: &str) -> std::result::Result<Option<Network>, String> {
        if let Some(known) = self.networks.get(text) {
            return Ok(*known);
        }
        let network = Network::parse(text).ok();
        // Networks may come from a column: then there may be many, and odd ones among them.
        if self.networks.len() < limits::SEARCH_TERMS_MAX {
            self.networks.insert(text.to_owned(), network);
        }
        Ok(network)
    }

    fn regexp(&mut self, source: &str) -> std::result::Result<Regexp, String> {
        if let Some(known) = self.regexps.get(source) {
            return known.clone();
        }
        let regexp =
            Regexp::new(source, false).map_err(|bad| format!("{} in `{source}`", bad.message));
        if self.regexps.len() < limits::SEARCH_TERMS_MAX {
            self.regexps.insert(source.to_owned(), regexp.clone());
        }
        regexp
    }
}

fn about_address(args: Args<'_>, answer: impl FnOnce(IpAddr) -> Answer) -> Done {
    Ok(args.first().and_then(|text| address(text.trim())).map(answer))
}

fn contains(network: &str, text: &str, made: &mut Made) -> Done {
    let network = made.network(network)?;
    let address = address(text.trim());
    Ok(network.zip(address).map(|(network, address)| Answer::Bool(network.contains(address))))
}

fn ip_in_cidr(args: Args<'_>, made: &mut Made) -> Done {
    let [address, network] = args else { return Ok(None) };
    contains(network, address, made)
}

fn cidr_contains(args: Args<'_>, made: &mut Made) -> Done {
    let [network, address] = args else { return Ok(None) };
    contains(network, address, made)
}

fn ip_family(args: Args<'_>, _: &mut Made) -> Done {
    about_address(args, |address| Answer::Int(if address.is_ipv4() { 4 } else { 6 }))
}

fn ip_normalize(args: Args<'_>, _: &mut Made) -> Done {
    about_address(args, |address| Answer::Text(address.to_string()))
}

fn ip_is_private(args: Args<'_>, _: &mut Made) -> Done {
    about_address(args, |address| Answer::Bool(is_private(address)))
}

fn ip_is_public(args: Args<'_>, _: &mut Made) -> Done {
    about_address(args, |address| {
        let is_special = match address {
            IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
            IpAddr::V6(v6) => v6.is_multicast() || v6.is_unspecified(),
        };
        Answer::Bool(!is_special && !is_private(address))
    })
}

fn ip_is_loopback(args: Args<'_>, _: &mut Made) -> Done {
    about_address(args, |address| Answer::Bool(address.is_loopback()))
}

fn is_ip(args: Args<'_>, _: &mut Made) -> Done {
    Ok(args.first().map(|text| Answer::Bool(address(text.trim()).is_some())))
}

fn ip_network(args: Args<'_>, _: &mut Made) -> Done {
    let [text, bits] = args else { return Ok(None) };
    let network = address(text.trim())
        .and_then(|address| Network::parse(&format!("{address}/{}", bits.trim())).ok());
    Ok(network.map(|network| Answer::Text(network.to_string())))
}

fn cidr_first(args: Args<'_>, made: &mut Made) -> Done {
    let Some(text) = args.first() else { return Ok(None) };
    Ok(made.network(text)?.map(|network| Answer::Text(network.first().0.to_string())))
}

fn cidr_last(args: Args<'_>, made: &mut Made) -> Done {
    let Some(text) = args.first() else { return Ok(None) };
    Ok(made.network(text)?.map(|network| Answer::Text(network.last().to_string())))
}

/// The steps of a path: `$.a[0]['b c']`, or `a.b`.
fn steps(path: &str) -> std::result::Result<Vec<String>, String> {
    let wrong = || format!("`{path}` is no path into JSON: write it such as `$.a[0].b`");
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'));
            let (step, after) = match quote {
                Some(quote) => {
                    let (step, after) = inside
                        .get(1..)
                        .and_then(|text| text.split_once(quote))
                        .ok_or_else(wrong)?;
                    (step, after.strip_prefix(']').ok_or_else(wrong)?)
                }
                None => inside.split_once(']').ok_or_else(wrong)?,
            };
            steps.push(step.to_owned());
            rest = after;
            continue;
        }
        let name = rest.strip_prefix('.').unwrap_or(rest);
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (step, after) = name.split_at(end);
        if step.is_empty() {
            return Err(wrong());
        }
        steps.push(step.to_owned());
        rest = after;
    }
    Ok(steps)
}

/// Asks what stands at a path; nothing where that is null.
fn at_path(
    json: &str,
    path: Option<&&str>,
    answer: impl FnOnce(&Value<'_>) -> Option<Answer>,
) -> Done {
    let steps = path.map_or(Ok(Vec::new()), |path| steps(path))?;
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let Some(whole) = json::parse(json) else { return Ok(None) };
    Ok(json::get(&whole, &steps).and_then(|value| answer(&value)))
}

fn display(value: &Value<'_>) -> Option<String> {
    value.display().map(std::borrow::Cow::into_owned)
}

fn json_value(args: Args<'_>, _: &mut Made) -> Done {
    let [json, path] = args else { return Ok(None) };
    at_path(json, Some(path), |value| match value {
        Value::Object(_) | Value::List(_) => None,
        scalar => display(scalar).map(Answer::Text),
    })
}

fn json_query(args: Args<'_>, _: &mut Made) -> Done {
    let [json, path] = args else { return Ok(None) };
    at_path(json, Some(path), |value| {
        let mut out = String::new();
        value.write_json(&mut out);
        Some(Answer::Text(out))
    })
}

fn json_array(args: Args<'_>, _: &mut Made) -> Done {
    let [json, path @ ..] = args else { return Ok(None) };
    at_path(json, path.first(), |value| match value {
        Value::List(members) => Some(Answer::Texts(members.iter().map(display).collect())),
        Value::Null => None,
        // Some sources write a list of one as its member.
        single => Some(Answer::Texts(vec![display(single)])),
    })
}

fn json_keys(args: Args<'_>, _: &mut Made) -> Done {
    let [json, path @ ..] = args else { return Ok(None) };
    at_path(json, path.first(), |value| match value {
        Value::Object(object) => {
            Some(Answer::Texts(object.iter().map(|(key, _)| Some(key.to_string())).collect()))
        }
        _ => None,
    })
}

fn json_length(args: Args<'_>, _: &mut Made) -> Done {
    let [json, path @ ..] = args else { return Ok(None) };
    at_path(json, path.first(), |value| {
        let length = match value {
            Value::List(members) => members.len(),
            Value::Object(object) => object.iter().count(),
            _ => return None,
        };
        i64::try_from(length).ok().map(Answer::Int)
    })
}

fn json_type(args: Args<'_>, _: &mut Made) -> Done {
    let [json, path @ ..] = args else { return Ok(None) };
    at_path(json, path.first(), |value| {
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) | Value::Float(_) | Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) => "array",
            Value::Object(_) => "object",
        };
        Some(Answer::Text(name.to_owned()))
    })
}

fn json_exists(args: Args<'_>, _: &mut Made) -> Done {
    let [json, path] = args else { return Ok(None) };
    let found = at_path(json, Some(path), |_| Some(Answer::Bool(true)))?;
    Ok(found.or(Some(Answer::Bool(false))))
}

fn json_valid(args: Args<'_>, _: &mut Made) -> Done {
    Ok(args.first().map(|text| Answer::Bool(json::parse(text).is_some())))
}

fn json_contains(args: Args<'_>, _: &mut Made) -> Done {
    let [json, wanted, path @ ..] = args else { return Ok(None) };
    at_path(json, path.first(), |value| {
        let is_it = |value: &Value<'_>| display(value).is_some_and(|text| text == *wanted);
        Some(Answer::Bool(match value {
            Value::List(members) => members.iter().any(is_it),
            other => is_it(other),
        }))
    })
}

/// Which group is meant: the one that is named, else the first, else the whole.
fn group(args: Args<'_>, regexp: &Regexp) -> std::result::Result<usize, String> {
    let Some(spelled) = args.get(2) else { return Ok(usize::from(regexp.group_count() > 1)) };
    let group = spelled.trim().parse::<usize>().ok().filter(|group| *group < regexp.group_count());
    group.ok_or_else(|| format!("the regular expression has no group {spelled}"))
}

fn regexp_extract(args: Args<'_>, made: &mut Made) -> Done {
    let [text, source, ..] = args else { return Ok(None) };
    let regexp = made.regexp(source)?;
    let group = group(args, &regexp)?;
    Ok(regexp.captured(text, group).next().map(|text| Answer::Text(text.to_owned())))
}

fn regexp_extract_all(args: Args<'_>, made: &mut Made) -> Done {
    let [text, source, ..] = args else { return Ok(None) };
    let regexp = made.regexp(source)?;
    let group = group(args, &regexp)?;
    let all = regexp.captured(text, group).map(|text| Some(text.to_owned()));
    Ok(Some(Answer::Texts(all.collect())))
}

/// Along the surface of a sphere of the earth's mean radius.
fn geo_distance_km(args: Args<'_>, _: &mut Made) -> Done {
    const RADIUS_KM: f64 = 6371.0;
    let degrees = args.iter().map(|text| text.trim().parse::<f64>().ok().filter(|d| d.is_finite()));
    let Some(degrees) = degrees.collect::<Option<Vec<f64>>>() else { return Ok(None) };
    let [lat_a, lon_a, lat_b, lon_b] = degrees.as_slice() else { return Ok(None) };
    let (a, b) = (lat_a.to_radians(), lat_b.to_radians());
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let chord = half(*lat_a, *lat_b) + a.cos() * b.cos() * half(*lon_a, *lon_b);
    Ok(Some(Answer::Float(2.0 * RADIUS_KM * chord.clamp(0.0, 1.0).sqrt().asin())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(name: &str, args: &[&str]) -> Done {
        let spec = FUNCTIONS.iter().find(|spec| spec.name == name).expect("a function");
        assert!(spec.count.contains(&args.len()), "{name}");
        (spec.call)(args, &mut Made::default())
    }

    fn text(text: &str) -> Option<Answer> {
        Some(Answer::Text(text.to_owned()))
    }

    #[test]
    fn functions_answer() {
        let json = r#"{"a":[{"b":1},{"b":"x"}],"c d":{"e":null},"n":2.5,"s":"t"}"#;
        let texts = |texts: &[&str]| {
            Some(Answer::Texts(texts.iter().map(|text| Some((*text).to_owned())).collect()))
        };
        for (name, args, expected) in [
            ("ip_in_cidr", vec!["10.2.0.1", "10.0.0.0/8"], Some(Answer::Bool(true))),
            ("ip_in_cidr", vec!["no", "10.0.0.0/8"], None),
            ("ip_in_cidr", vec!["10.0.0.1", "no"], None),
            ("cidr_contains", vec!["2001:db8::/32", "2001:db8::1"], Some(Answer::Bool(true))),
            ("ip_family", vec!["::1"], Some(Answer::Int(6))),
            ("ip_family", vec!["::ffff:1.2.3.4"], Some(Answer::Int(4))),
            ("ip_normalize", vec!["2001:DB8:0:0::1"], text("2001:db8::1")),
            ("ip_network", vec!["10.1.2.3", "24"], text("10.1.2.0/24")),
            ("ip_is_private", vec!["192.168.0.1"], Some(Answer::Bool(true))),
            ("ip_is_public", vec!["8.8.8.8"], Some(Answer::Bool(true))),
            ("ip_is_public", vec!["224.0.0.1"], Some(Answer::Bool(false))),
            ("ip_is_loopback", vec!["127.3.2.1"], Some(Answer::Bool(true))),
            ("is_ip", vec!["x"], Some(Answer::Bool(false))),
            ("cidr_first", vec!["10.1.2.3/8"], text("10.0.0.0")),
            ("cidr_last", vec!["10.1.2.3/8"], text("10.255.255.255")),
            ("cidr_last", vec!["2001:db8::/126"], text("2001:db8::3")),
            ("json_value", vec![json, "$.a[1].b"], text("x")),
            ("json_value", vec![json, "$['c d']"], None),
            ("json_value", vec![json, "n"], text("2.5")),
            ("json_query", vec![json, "$['c d']"], text(r#"{"e":null}"#)),
            ("json_query", vec![json, "$.s"], text(r#""t""#)),
            ("json_array", vec![json, "$.a"], texts(&[r#"{"b":1}"#, r#"{"b":"x"}"#])),
            ("json_array", vec!["[1,\"a\"]"], texts(&["1", "a"])),
            ("json_array", vec![json, "$.s"], texts(&["t"])),
            ("json_array", vec!["no json", "$.s"], None),
            ("json_keys", vec![json], texts(&["a", "c d", "n", "s"])),
            ("json_length", vec![json, "$.a"], Some(Answer::Int(2))),
            ("json_type", vec![json, "$.a[0].b"], text("number")),
            ("json_exists", vec![json, "$.a[0].b"], Some(Answer::Bool(true))),
            ("json_exists", vec![json, "$.x"], Some(Answer::Bool(false))),
            ("json_valid", vec!["{"], Some(Answer::Bool(false))),
            ("json_contains", vec!["[\"a\",\"b\"]", "b"], Some(Answer::Bool(true))),
            ("json_contains", vec![json, "t", "$.s"], Some(Answer::Bool(true))),
            ("regexp_extract", vec!["user=bob;", "user=(\\w+)"], text("bob")),
            ("regexp_extract", vec!["user=bob;", "user=(\\w+)", "0"], text("user=bob")),
            ("regexp_extract", vec!["none", "user=(\\w+)"], None),
            ("regexp_extract_all", vec!["a1b2", "[a-z](\\d)"], texts(&["1", "2"])),
        ] {
            assert_eq!(call(name, &args).unwrap(), expected, "{name} {args:?}");
        }
        let Ok(Some(Answer::Float(km))) =
            call("geo_distance_km", &["52.52", "13.405", "48.8566", "2.3522"])
        else {
            panic!("a distance")
        };
        assert!((877.0..879.0).contains(&km), "Berlin to Paris: {km}");
        assert!(call("regexp_extract", &["a", "("]).unwrap_err().contains("unclosed group"));
        assert!(call("regexp_extract", &["a", "a", "3"]).unwrap_err().contains("no group 3"));
        assert!(call("json_value", &["{}", "$.a["]).unwrap_err().contains("no path"));
    }

    /// What stands in the reference is what there is.
    #[test]
    fn the_reference_names_every_function() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/sql.md");
        let manual = std::fs::read(path).expect("the reference of SQL");
        let manual = String::from_utf8_lossy(&manual).into_owned();
        for (name, _) in ScalarFunction::usages() {
            assert!(manual.contains(&format!("`{name}(")), "`{name}` is not in {path}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(args in prop::collection::vec("[ -~é]{0,12}", 4), at in 0..FUNCTIONS.len()) {
            let Some(spec) = FUNCTIONS.get(at) else { return Ok(()) };
            for count in spec.count.clone() {
                let args: Vec<&str> = args.iter().take(count).map(String::as_str).collect();
                let answer = (spec.call)(&args, &mut Made::default());
                prop_assert!(answer.is_ok() || !answer.unwrap_err().is_empty());
            }
        }
    }
}
