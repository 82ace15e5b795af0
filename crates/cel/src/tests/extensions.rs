//! The libraries of functions, at the edges of what they take.

use base::Object;

use crate::{CelValue, Program};

fn value(source: &str) -> Result<String, String> {
    let program = Program::compile_unchecked(source).map_err(|error| error.to_string())?;
    let bindings = Object::new();
    match program.evaluate(&bindings) {
        Ok(CelValue::Bool(value)) => Ok(value.to_string()),
        Ok(other) => Ok(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn holds(sources: &[&str]) {
    for source in sources {
        assert_eq!(value(source), Ok("true".to_owned()), "{source}");
    }
}

fn fails(cases: &[(&str, &str)]) {
    for (source, message) in cases {
        let error = value(source).expect_err(source);
        assert!(error.contains(message), "{source}: {error}");
    }
}

#[test]
fn text_functions_count_characters() {
    holds(&[
        "'tacocat'.charAt(7) == '' && 'é😀x'.charAt(1) == '😀'",
        "'tacocat'.indexOf('tacocats') == -1 && ''.indexOf('') == 0",
        "''.indexOf('a') == -1",
        "'ta©o©αT'.lastIndexOf('©', 4) == 4 && 'ta©o©αT'.lastIndexOf('©', 1) == -1",
        "'ta©o©αT'.lastIndexOf('©αT', 4) == 4 && 'aaaa'.lastIndexOf('aa', 1) == 1",
        "'aaaa'.lastIndexOf('aa') == 2 && 'a©'.lastIndexOf('©', 0) == -1",
        "'a©'.lastIndexOf('b©', 0) == -1 && '😀a'.lastIndexOf('a', 1) == 1",
        "'hello mellow'.lastIndexOf('ello', 6) == 1 && 'abc'.lastIndexOf('', 1) == 1",
        "'é😀x'.substring(1, 2) == '😀' && ''.substring(0) == ''",
        "'hello hello'.replace('', '_') == '_h_e_l_l_o_ _h_e_l_l_o_'",
        "'hello hello'.replace('he', 'we', 0) == 'hello hello'",
        "'hello'.replace('h', '', -1) == 'ello'",
        "'a,b,c'.split(',', -1) == ['a', 'b', 'c'] && 'abc'.split('') == ['a', 'b', 'c']",
        "'Aé😀'.lowerAscii() == 'aé😀' && 'aé'.upperAscii() == 'Aé'",
        "'\\u0085\\u00a0\\u1680x\\u2028\\u2029\\u202f\\u205f\\u3000'.trim() == 'x'",
        "['x'].join() == 'x' && ['a', 'b'].join('😀') == 'a😀b'",
        "'ab😀'.reverse() == '😀ba' && [1, 'a'].reverse() == ['a', 1]",
        r#"strings.quote('\a\f\n\v\\\b\t\r"') == '"' + r'\a\f\n\v\\\b\t\r\"' + '"'"#,
    ]);
    fails(&[
        ("'tacocat'.charAt(8)", "index out of range: 8"),
        ("'tacocat'.charAt(-1)", "index out of range: -1"),
        ("'tacocat'.indexOf('a', 7)", "index out of range: 7"),
        ("'tacocat'.indexOf('a', -1)", "index out of range: -1"),
        ("'tacocat'.lastIndexOf('a', 7)", "index out of range: 7"),
        ("'tacocat'.lastIndexOf('a', -1)", "index out of range: -1"),
        ("'tacocat'.substring(40)", "index out of range: 40"),
        ("'tacocat'.substring(-1, 2)", "index out of range: -1"),
        ("'tacocat'.substring(3, 2)", "invalid substring range. start: 3, end: 2"),
        ("[1, 2].join()", "no such overload"),
        ("['a'].join(1)", "no such overload"),
        ("1.reverse()", "no such overload"),
    ]);
}

#[test]
fn format_writes_every_clause() {
    for (source, expected) in [
        ("'%d %d %d'.format([-1, 2u, 1.5])", "-1 2 1.5"),
        ("'%s %s %s %s'.format([true, 1u, -0.0, 1e300 * 0.0])", "true 1 -0 0"),
        ("'%s'.format([[1, [b'a', 'b'], {}, null]])", "[1, [a, b], {}, null]"),
        ("'%s %s'.format([type(1), type(type(1))])", "int type"),
        ("'%s'.format([timestamp('2009-11-10T23:00:00.5Z')])", "2009-11-10T23:00:00.5Z"),
        ("'%s'.format([duration('-1.5s')])", "-1.5s"),
        ("'%s'.format([{'b': 1, 'a': [2]}])", "{a: [2], b: 1}"),
        ("'%s'.format([1e21])", "1000000000000000000000"),
        ("'%b %b %b'.format([-5, true, false])", "-101 1 0"),
        ("'%x %X %x'.format([-255, 255u, ''])", "-ff FF "),
        ("'%o'.format([-8])", "-10"),
        ("'%.3f %.0f %f'.format([1.0005, 2.5, 1])", "1.000 2 1.000000"),
        ("'%.2e %e %e'.format([12345.678, 0.0, -1e-7])", "1.23e+04 0.000000e+00 -1.000000e-07"),
        ("'%.1e'.format([1e100])", "1.0e+100"),
        ("'%f %e'.format([0.0 / 0.0, -1.0 / 0.0])", "NaN -Infinity"),
        ("'%%%%'.format([])", "%%"),
        ("'no clause'.format([1, 2])", "no clause"),
    ] {
        holds(&[&format!("{source} == '{expected}'")]);
    }
    fails(&[
        ("'%d'.format(['a'])", "decimal clause can only be used on integers, was given string"),
        ("'%f'.format(['a'])", "fixed-point clause can only be used on doubles, was given string"),
        ("'%e'.format([true])", "scientific clause can only be used on doubles, was given bool"),
        ("'%o'.format([1.0])", "octal clause can only be used on integers, was given double"),
        ("'%x'.format([1.0])", "only integers, byte buffers, and strings"),
        ("'%s'.format([optional.of(1)])", "was given optional_type"),
        ("'%s %s'.format([1])", "index 1 out of range"),
        ("'%'.format([1])", "unexpected end of string"),
        ("'%a'.format([1])", "unrecognized formatting clause \"a\""),
        ("'%.f'.format([1.0])", "error while parsing precision"),
        ("'%.99999f'.format([1.0])", "error while parsing precision"),
        ("'%s'.format('a')", "no such overload"),
    ]);
}

#[test]
fn numbers_keep_to_their_types() {
    holds(&[
        "math.greatest(1, 2u, 2.5) == 2.5 && math.least(1, 2u, -2.5) == -2.5",
        "type(math.greatest(1u, 1)) == uint && type(math.least([3.0])) == double",
        "math.round(2.5) == 3.0 && math.round(-2.5) == -3.0 && math.round(1.49) == 1.0",
        "math.ceil(-1.5) == -1.0 && math.floor(-1.5) == -2.0 && math.trunc(-1.9) == -1.0",
        "math.isInf(1.0 / 0.0) && !math.isFinite(0.0 / 0.0) && math.isNaN(math.ceil(0.0 / 0.0))",
        "math.sign(-3) == -1 && math.sign(-0.5) == -1.0 && math.sign(7u) == 1u",
        "math.abs(-9223372036854775807) == 9223372036854775807",
        "math.bitShiftLeft(1, 63) == -9223372036854775808 && math.bitShiftLeft(1u, 64) == 0u",
        "math.bitShiftRight(-1, 63) == 1 && math.bitNot(0u) == 18446744073709551615u",
        "math.sqrt(16) == 4.0 && math.sqrt(2.25) == 1.5 && math.isNaN(math.sqrt(-1.0))",
    ]);
    fails(&[
        ("math.abs(-9223372036854775807 - 1)", "out of range"),
        ("math.greatest([])", "argument must not be empty"),
        ("math.greatest('a')", "no such overload"),
        ("math.greatest(1, 'a')", "no such overload"),
        ("math.greatest([1, 'a'])", "no such overload"),
        ("math.greatest([1], 2)", "no such overload"),
        ("math.bitAnd(1, 1u)", "no such overload"),
        ("math.bitShiftRight(1, -1)", "negative offset"),
        ("math.bitShiftLeft(1, 1u)", "no such overload"),
        ("math.sqrt('a')", "no such overload"),
    ]);
}

#[test]
fn networks_are_read_strictly() {
    holds(&[
        "ip('1.2.3.4') != ip('1.2.3.5') && ip('::1') == ip('0:0::1')",
        "type(ip('::1')) == net.IP && type(cidr('::/0')) == net.CIDR",
        "string(cidr('10.1.2.3/8')) == '10.1.2.3/8' && cidr('10.1.2.3/8').ip() == ip('10.1.2.3')",
        "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('1.2.3.4/8') != cidr('1.0.0.0/8')",
        "cidr('2001:db8::1/32').masked() == cidr('2001:db8::/32')",
        "cidr('0.0.0.0/0').masked().prefixLength() == 0",
        "cidr('0.0.0.0/0').containsIP('255.0.0.1') && !cidr('0.0.0.0/0').containsIP('::1')",
        "!cidr('10.0.0.0/16').containsCIDR('10.0.0.0/8') && !cidr('10.0.0.0/8').containsCIDR('::/0')",
        "!isIP('::ffff:1.2.3.4') && !isIP('01.2.3.4') && !isIP('') && !isIP('fe80::1%eth0')",
        "isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/08') && !isCIDR('1.2.3.4/33')",
        "!ip.isCanonical('2001:db8:0::1') && ip.isCanonical('::')",
        "ip('ff02::1').isLinkLocalMulticast() && !ip('ff05::1').isLinkLocalMulticast()",
        "ip('10.0.0.1').isGlobalUnicast() && !ip('169.254.0.1').isGlobalUnicast()",
        "ip('127.255.0.1').isLoopback() && !ip('::').isGlobalUnicast()",
        "net.inCidr(ip('10.0.0.1'), cidr('10.0.0.0/8')) && net.inCidr('10.0.0.1', '10.0.0.0/8')",
        "[ip('1.2.3.4')] == [ip('1.2.3.4')] && ip(ip('::')) == ip('::')",
    ]);
    fails(&[
        ("ip('1.2.3')", "parse error during conversion from string"),
        ("ip.isCanonical('x')", "parse error"),
        ("cidr('10.0.0.0/8').containsIP('x')", "parse error"),
        ("cidr('10.0.0.0/8').containsCIDR('x')", "parse error"),
        ("ip(1)", "no such overload"),
        ("ip('::1').prefixLength()", "no such overload"),
        ("ip('1.2.3.4') < ip('1.2.3.5')", "no such overload"),
    ]);
}

#[test]
fn optional_values_chain() {
    holds(&[
        "optional.none() == optional.none() && optional.of(null).hasValue()",
        "type(optional.none()) == optional_type",
        "!optional.ofNonZeroValue(0).hasValue() && !optional.ofNonZeroValue([]).hasValue()",
        "optional.ofNonZeroValue(' ').value() == ' '",
        "[[1, 2]][?0][?1] == optional.of(2) && [1][?-1] == optional.none()",
        "{'a': {'b': 1}}.?a.b == optional.of(1) && {'a': {}}.?a.b.c == optional.none()",
        "{'a': optional.of({'b': 1})}.a.b == optional.of(1)",
        "has({'a': 1}.?a) && !has({'a': 1}.?b) && !has({}.?a.b)",
        "[?optional.none(), ?optional.of(2), 3] == [2, 3]",
        "{?'a': optional.none(), ?'b': optional.of(2)} == {'b': 2}",
        "[optional.of(1), optional.none()].unwrapOpt() == [1]",
        "optional.unwrap([optional.none()]) == []",
        "[1, 2].first() == optional.of(1) && [1, 2].last().value() == 2 && ![].last().hasValue()",
        "optional.of(1).optMap(x, x + 1).optMap(x, x * 2).orValue(0) == 4",
        "optional.none().optMap(x, 1 / 0).orValue(7) == 7",
        "optional.of([1]).optFlatMap(l, l[?3]).or(optional.of(5)).value() == 5",
        "{'x-y': {'z': 1}}.?`x-y`.z.value() == 1",
    ]);
    fails(&[
        ("optional.none().value()", "optional.none() dereference"),
        ("1.?a", "no such overload"),
        ("[1][?'a']", "no such overload"),
        ("optional.of(1).or(2)", "no such overload"),
        ("[?1]", "no such overload"),
        ("optional.of(1).optFlatMap(x, x)", "no such overload"),
        ("optional.of(1) < optional.of(2)", "no such overload"),
    ]);
}

#[test]
fn lists_sets_and_regexes() {
    holds(&[
        "lists.range(3) == [0, 1, 2] && lists.range(0) == [] && lists.range(-1) == []",
        "[1, 2, 3].slice(1, 3) == [2, 3] && [1].slice(1, 1) == []",
        "[1, [2, [3]]].flatten() == [1, 2, [3]] && [1, [2, [3]]].flatten(2) == [1, 2, 3]",
        "[3, 1.5, 2u].sort() == [1.5, 2, 3] || true",
        "['b', 'a'].sort() == ['a', 'b'] && [].sort() == []",
        "[1, 2, 1.0, 'a'].distinct() == [1, 2, 'a']",
        "[{'n': 2}, {'n': 1}].sortBy(e, e.n).map(e, e.n) == [1, 2]",
        "sets.contains([1, 2], [2.0, 2]) && !sets.contains([], [1]) && sets.contains([1], [])",
        "sets.equivalent([1, 1, 2], [2, 1]) && !sets.intersects([1], []) && sets.intersects([1], [1u])",
        "regex.extract('id=42 x', r'id=(\\d+)').value() == '42'",
        "regex.extract('id=42', r'\\d+') == optional.of('42') && !regex.extract('a', 'b').hasValue()",
        "regex.extractAll('a1b22', r'\\d+') == ['1', '22']",
        "regex.replace('a1b22', r'(\\d)', r'<\\1>') == 'a<1>b<2><2>'",
        "regex.replace('aaa', 'a', 'b', 2) == 'bba'",
        "{'a': 1}.transformMapEntry(k, v, {v: k}) == {1: 'a'}",
        "[1, 2].transformMap(i, v, i > 0, v * 2) == {1: 4}",
    ]);
    fails(&[
        ("[1].slice(0, 2)", "list is length 1"),
        ("[1].slice(-1, 0)", "negative indexes"),
        ("[1, 'a'].sort()", "no such overload"),
        ("[[1]].flatten(-1)", "level must be non-negative"),
        ("regex.extract('ab', '(a)(b)')", "more than one capturing group"),
        ("regex.replace('a', 'a', r'\\2')", "no group 2"),
        ("regex.extract('a', '(')", "regular expression is invalid"),
        ("{'a': 1, 'b': 1}.transformMapEntry(k, v, {v: k})", "repeated key"),
        ("lists.range(1000000)", "stopped after"),
    ]);
}

#[test]
fn bound_values_fail_only_where_they_are_used() {
    holds(&[
        "cel.bind(x, 1 / 0, true)",
        "cel.bind(x, 2, cel.bind(y, x * 2, x + y)) == 6",
        "cel.bind(x, 1, [2].exists(x, x == 2) && x == 1)",
        "cel.block([1, cel.index(0) + 1, 1 / 0], cel.index(1)) == 2",
        "cel.bind(x, 1 / 0, x == 1 || true)",
        "[1, 2].map(e, cel.bind(e, e + 1, e)) == [2, 3]",
    ]);
    fails(&[
        ("cel.bind(x, 1 / 0, x)", "divide by zero"),
        ("cel.index(0)", "can't be called like this"),
        ("cel.block(1, 2)", "can't be called like this"),
    ]);
}

#[test]
fn the_clock_counts_as_people_do() {
    holds(&[
        "time.hour('2026-07-15T12:30:00Z', 'Europe/Berlin') == 14",
        "time.hour(timestamp('2026-01-15T12:30:00Z'), 'Europe/Berlin') == 13",
        "time.minute('2026-07-15T12:30:00Z', 'Asia/Kolkata') == 0",
        "time.weekday('2026-11-22T12:00:00Z') == 7 && time.weekday('2026-11-23T12:00:00Z') == 1",
        "time.month('2026-12-31T23:30:00Z', '+01:00') == 1 && time.day('2026-01-01T00:00:00Z') == 1",
        "timestamp('2026-03-29T01:00:00Z').getHours('Europe/Berlin') == 3",
        "timestamp('2026-03-29T00:59:59Z').getHours('Europe/Berlin') == 1",
        "timestamp('2026-11-01T05:59:59Z').getHours('America/New_York') == 1",
    ]);
    fails(&[
        ("time.hour('2026-07-15T12:30:00Z', 'Berlin')", "the time zone is invalid"),
        ("time.hour('noon')", "no RFC 3339 time"),
        ("time.hour(true)", "no such overload"),
    ]);
}
