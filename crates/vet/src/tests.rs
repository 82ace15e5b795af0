//! Projects with every kind of broken file in them.

use std::{fs, path::Path};

use base::{Place, limits};

use super::*;

const SOURCE: &str =
    "name: shop\nformat:\n  type: ndjson\ntime:\n  field: ts\nsigma:\n  - product: shop\n";

fn rule(id: &str, logsource: &str) -> String {
    format!(
        "title: Rule {id}\nid: {id}\nlogsource:\n  {logsource}\ndetection:\n  s:\n    a: b\n  \
         condition: s\n"
    )
}

/// A folder for one test, with the files given.
fn project(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        write(root.path(), path, bytes);
    }
    root
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn load_from(root: &Path) -> Project {
    load(&[root.join("detections")], &[root.join("log_sources")], false)
}

fn ids(project: &Project) -> Vec<&str> {
    project.rules.iter().map(|rule| rule.info.id.as_str()).collect()
}

/// Each problem as `DAB0000 path:line:column`, without the root.
fn places(project: &Project, root: &Path) -> Vec<String> {
    let root = format!("{}/", root.display());
    let say = |problem: &Report| match &problem.place {
        Some(place) => format!("{} {}", problem.code, place.to_string().replace(&root, "")),
        None => problem.code.clone(),
    };
    project.problems.iter().map(say).collect()
}

#[test]
fn filters_apply_across_files_and_say_where_they_do_not() {
    let filter = "title: F\nlogsource:\n  product: shop\nfilter:\n  rules:\n    - r2\n    - gone\n  \
        s:\n    a: b\n  condition: not s\n";
    let root = project(&[
        ("log_sources/shop.yml", SOURCE.as_bytes()),
        ("detections/a/filter.yml", filter.as_bytes()),
        ("detections/b/r1.yml", rule("r1", "product: shop").as_bytes()),
        ("detections/b/r2.yml", rule("r2", "product: shop").as_bytes()),
    ]);
    let project = load_from(root.path());
    assert_eq!(ids(&project), ["r1", "r2"]);
    assert_eq!(project.filters, 1);
    assert_eq!(places(&project, root.path()), ["DAB0210 detections/a/filter.yml:7:7"]);
}

#[test]
fn one_broken_file_stops_no_other() {
    let oversize = vec![b'#'; usize::try_from(limits::CONFIG_FILE_BYTES_MAX).unwrap() + 1];
    let good =
        [rule("r1", "product: shop"), rule("r2", "product: shop"), rule("r1", "product: shop")];
    let unknown_condition = rule("r3", "product: shop").replace("condition: s", "condition: t");
    let root = project(&[
        ("log_sources/shop.yml", SOURCE.as_bytes()),
        ("log_sources/a_unknown_key.yml", format!("{SOURCE}colour: red\n").as_bytes()),
        ("log_sources/b_broken.yaml", b"name: [\n"),
        ("detections/a_broken.yml", b"title: [\n"),
        ("detections/b_binary.yml", b"title: x\nid: \xc3\xa9\xff\n"),
        ("detections/c_oversize.yml", &oversize),
        ("detections/d_condition.yml", unknown_condition.as_bytes()),
        ("detections/e_empty.yml", b""),
        ("detections/f/good.yml", good[0].as_bytes()),
        ("detections/f/good.YAML", good[1].as_bytes()),
        ("detections/g_same_id.yml", good[2].as_bytes()),
        ("detections/.hidden.yml", b"title: [\n"),
        ("detections/.git/x.yml", b"title: [\n"),
        ("detections/readme.md", b"\xff"),
    ]);
    let project = load_from(root.path());
    assert_eq!(ids(&project), ["r2", "r1"], "in the order of paths");
    let names: Vec<&str> = project.log_sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["shop"]);
    assert_eq!(project.files, 3 + 8);
    let found = places(&project, root.path());
    let codes: Vec<&str> = found.iter().map(|place| place.split(':').next().unwrap()).collect();
    assert_eq!(
        codes,
        [
            "DAB0302 log_sources/a_unknown_key.yml",
            "DAB0301 log_sources/b_broken.yaml",
            "DAB0201 detections/a_broken.yml",
            "DAB0222 detections/b_binary.yml",
            "DAB0221 detections/c_oversize.yml",
            "DAB0206 detections/d_condition.yml",
            "DAB0202 detections/e_empty.yml",
            "DAB0209 detections/g_same_id.yml",
        ]
    );
    assert!(found.contains(&"DAB0222 detections/b_binary.yml:2:6".to_owned()), "{found:?}");
    assert!(
        found.iter().any(|place| place.starts_with("DAB0302 log_sources/a_unknown_key.yml:8:"))
    );
}

#[test]
fn a_missing_folder_is_a_problem_and_the_others_are_read() {
    let root = project(&[("detections/good.yml", rule("r1", "product: shop").as_bytes())]);
    let missing = root.path().join("none");
    let project = load(&[missing, root.path().join("detections")], &[], false);
    assert_eq!(ids(&project), ["r1"]);
    assert_eq!(places(&project, root.path()), ["DAB0220 none:1:1"]);
    let problem = &project.problems[0];
    assert_eq!(problem.help.as_deref(), Some("create it, or correct the path in the settings"));
    assert!(matches!(problem.place, Some(Place::File { .. })));
}

#[test]
fn a_root_may_be_a_file() {
    let root = project(&[("one.yml", rule("r1", "product: shop").as_bytes())]);
    let project = load(&[root.path().join("one.yml")], &[], false);
    assert_eq!(ids(&project), ["r1"]);
    assert!(project.problems.is_empty());
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;

    let root = project(&[
        ("detections/a/good.yml", rule("r1", "product: shop").as_bytes()),
        ("shared/more.yml", rule("r2", "product: shop").as_bytes()),
    ]);
    let detections = root.path().join("detections");
    symlink(&detections, detections.join("a/up")).unwrap();
    symlink(root.path().join("shared"), detections.join("b")).unwrap();
    symlink(root.path().join("nowhere"), detections.join("c.yml")).unwrap();
    symlink(root.path().join("nowhere"), detections.join("d.txt")).unwrap();
    let project = load_from(root.path());
    assert_eq!(ids(&project), ["r1", "r2"]);
    let expected =
        ["DAB0220 log_sources:1:1", "DAB0223 detections/a/up:1:1", "DAB0220 detections/c.yml:1:1"];
    assert_eq!(places(&project, root.path()), expected);
}

#[cfg(unix)]
#[test]
fn pipes_are_not_waited_for() {
    let root = project(&[("detections/good.yml", rule("r1", "product: shop").as_bytes())]);
    let pipe = root.path().join("detections/pipe.yml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let project = load(&[root.path().join("detections")], &[], false);
    assert_eq!(ids(&project), ["r1"]);
    assert_eq!(places(&project, root.path()), ["DAB0220 detections/pipe.yml:1:1"]);
}

#[test]
fn folders_have_a_depth() {
    let deep = format!("detections/{}x.yml", "d/".repeat(40));
    let root = project(&[(&deep, rule("r1", "product: shop").as_bytes())]);
    let project = load(&[root.path().join("detections")], &[], false);
    assert!(project.rules.is_empty());
    assert_eq!(project.problems[0].code, "DAB0223");
}

#[test]
fn log_sources_have_one_name_each_and_replace_shipped_ones() {
    let shipped = load(&[], &[], true);
    assert!(shipped.problems.is_empty(), "{:?}", shipped.problems);
    let name = shipped.log_sources.first().unwrap().name.clone();
    let own = SOURCE.replace("shop", &name);
    let root = project(&[
        ("log_sources/a.yml", own.as_bytes()),
        ("log_sources/b.yml", SOURCE.as_bytes()),
        ("log_sources/c.yml", SOURCE.as_bytes()),
    ]);
    let project = load(&[], &[root.path().join("log_sources")], true);
    assert_eq!(places(&project, root.path()), ["DAB0225 log_sources/c.yml:1:1"]);
    assert!(project.problems[0].message.contains("log_sources/b.yml` already"));
    assert_eq!(project.log_sources.len(), shipped.log_sources.len() + 1);
    assert!(project.log_sources.is_sorted_by(|a, b| a.name < b.name));
    let replaced = project.log_sources.iter().find(|source| source.name == name).unwrap();
    assert_eq!(replaced.sigma[0].product.as_deref(), Some(name.as_str()));
    assert_eq!(load(&[], &[], false).log_sources, []);
}

#[test]
fn rules_that_no_events_reach_are_noted() {
    let mut rules = String::new();
    for (index, logsource) in ["product: shop", "product: moon", "category: proxy", "product: moon"]
        .into_iter()
        .enumerate()
    {
        rules.push_str(&format!("---\n{}", rule(&format!("r{index}"), logsource)));
    }
    let root = project(&[
        ("log_sources/shop.yml", SOURCE.as_bytes()),
        ("detections/all.yml", rules.as_bytes()),
    ]);
    let project = load_from(root.path());
    assert_eq!((project.rules.len(), project.problems.len()), (4, 0), "{:?}", project.problems);
    assert_eq!(project.notes.len(), 1);
    assert_eq!(project.notes[0].code, "DAB0226");
    assert_eq!(
        project.notes[0].message,
        "3 of 4 rules ask for events that no log source provides: `product: moon` (2), \
         `category: proxy` (1)"
    );
}

#[test]
fn many_unreached_routes_are_cut() {
    let rules: String = (0..15)
        .map(|n| format!("---\n{}", rule(&format!("r{n:02}"), &format!("product: p{n:02}"))))
        .collect();
    let root = project(&[
        ("log_sources/shop.yml", SOURCE.as_bytes()),
        ("detections/all.yml", rules.as_bytes()),
    ]);
    let note = &load_from(root.path()).notes[0].message;
    assert!(note.ends_with("`product: p09` (1), and 5 more"), "{note}");
}

/// The public rules, unpacked.
#[cfg(unix)]
pub(crate) fn public_rules() -> Option<tempfile::TempDir> {
    let corpora = std::env::var_os("DAB_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let archive = corpora.join("sigmahq-rules.tar.zst");
    if !archive.is_file() {
        assert_ne!(
            std::env::var_os("CI").as_deref(),
            Some("true".as_ref()),
            "{} is not there",
            archive.display()
        );
        println!("skipped: {} is not there", archive.display());
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    unpack(&archive, root.path());
    Some(root)
}

/// Every public rule loads or is reported: none is lost between.
#[cfg(unix)]
#[test]
fn the_public_rules_load_or_are_reported() {
    let Some(root) = public_rules() else { return };
    let project = load(&[root.path().to_owned()], &[], true);
    assert!(project.files > 3700, "{} files", project.files);
    assert!(project.rules.len() * 100 > project.files * 95, "{} rules", project.rules.len());
    let named: HashSet<&str> = project.rules.iter().map(|rule| rule.info.file.as_str()).collect();
    let place = |problem: &'_ Report| match &problem.place {
        Some(Place::File { path, .. }) => Some(path.clone()),
        _ => None,
    };
    let reported: HashSet<String> = project.problems.iter().filter_map(place).collect();
    let all = reported.iter().map(String::as_str).chain(named).collect::<HashSet<_>>();
    assert_eq!(all.len(), project.files);
}

#[cfg(unix)]
fn unpack(archive: &Path, into: &Path) {
    use std::process::{Command, Stdio};

    let mut tar =
        Command::new("tar").args(["-x", "-C"]).arg(into).stdin(Stdio::piped()).spawn().unwrap();
    let mut reader = zstd::Decoder::new(fs::File::open(archive).unwrap()).unwrap();
    std::io::copy(&mut reader, &mut tar.stdin.take().unwrap()).unwrap();
    assert!(tar.wait().unwrap().success());
}

#[test]
fn rules_use_what_the_project_defines() {
    let definitions = "placeholders:\n  admins: [root]\n  hosts: {file: lists/hosts.txt}\n\
        macros:\n  - {name: is_admin, parameters: [{name: u}], body: u == 'root', \
        tests: [{given: {u: root}, expect: true}]}\n\
        lookups:\n  - {name: staff, file: lists/staff.csv, key: name}\n";
    let sigma = rule("r1", "product: shop")
        .replace("    a: b\n", "    a|expand: ['%admins%', '%hosts%-x']\n");
    let cel = "title: C\nid: r2\ncel: is_admin(user) && list.contains('staff', user)\n";
    let root = project(&[
        ("log_sources/shop.yml", SOURCE.as_bytes()),
        ("detections/z/shared.yml", definitions.as_bytes()),
        ("detections/z/lists/hosts.txt", b"# ours\na\nb\n"),
        ("detections/z/lists/staff.csv", b"name\nroot\n"),
        ("detections/r1.yml", sigma.as_bytes()),
        ("detections/r2.yml", cel.as_bytes()),
    ]);
    let loaded = load_from(root.path());
    assert_eq!(places(&loaded, root.path()), [""; 0]);
    assert_eq!(ids(&loaded), ["r1", "r2"]);
    assert_eq!(loaded.macros, 1);
    assert_eq!(loaded.named_files, [root.path().join("detections/z/lists/hosts.txt")]);
}

#[test]
fn definitions_that_are_wrong_name_their_place_and_take_nothing_else_with_them() {
    let one =
        "placeholders:\n  a: [x]\n  gone: {file: gone.txt}\nmacros:\n  - {name: m, body: x +}\n";
    let two = "placeholders:\n  a: [y]\nlookups:\n  - {name: t, file: gone.csv, key: k}\n";
    let three = "macros:\n  - {name: n, body: 'true', tests: [{expect: false}]}\ncolor: red\n";
    let sigma = rule("r1", "product: shop").replace("    a: b\n", "    a|expand: '%a%'\n");
    let root = project(&[
        ("log_sources/shop.yml", SOURCE.as_bytes()),
        ("detections/1.yml", one.as_bytes()),
        ("detections/2.yml", two.as_bytes()),
        ("detections/3.yml", three.as_bytes()),
        ("detections/r1.yml", sigma.as_bytes()),
        ("detections/r2.yml", b"title: C\nid: r2\ncel: m()\n"),
        ("detections/r3.yml", b"title: C\nid: r3\ncel: list.contains('t', x)\n"),
    ]);
    let loaded = load_from(root.path());
    let expected = [
        "DAB0202 detections/3.yml:3:1",
        "DAB0220 detections/gone.txt:1:1",
        "DAB0266 detections/2.yml:2:3",
        "DAB0281 detections/gone.csv:1:1",
        "DAB0262 detections/1.yml:5:5",
        "DAB0271 detections/r2.yml:3:6",
        "DAB0280 detections/r3.yml:3:11",
    ];
    assert_eq!(places(&loaded, root.path()), expected);
    assert_eq!(ids(&loaded), ["r1"]);
}

/// A rule beside a project is loaded with what the project has for it, and is told of alone.
#[test]
fn part_of_a_project_has_all_that_the_project_has_for_it() {
    let sigma = |id: &str, value: &str| {
        format!(
            "title: {id}\nid: {id}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: \
             {{s: {{'a|expand': '{value}'}}, condition: s}}\n"
        )
    };
    let root = project(&[
        ("detections/defined.yml", b"placeholders: {Admins: [mira]}\n"),
        ("detections/a.yml", sigma("a", "%Admins%").as_bytes()),
        ("detections/b.yml", sigma("b", "x").as_bytes()),
        ("detections/broken.yml", b"title: [\n"),
        ("detections/defined_badly.yml", b"placeholders: [1]\n"),
        ("beside/b.yml", sigma("b", "%Admins%").as_bytes()),
        ("beside/c.yml", sigma("c", "%Nobody%").as_bytes()),
        (
            "beside/count.yml",
            b"title: N\nid: n\ncorrelation: {type: event_count, rules: [a, b], timespan: 1m, \
              condition: {gte: 2}}\n",
        ),
    ]);
    let detections = [root.path().join("detections")];
    let beside = [root.path().join("beside")];
    let whole = load_beside(&beside, &detections, &[], true);
    let part = whole.part(&beside);
    assert_eq!(ids(&part), ["b"], "the rule that replaces the project's");
    assert!(part.rules[0].info.file.ends_with("beside/b.yml"));
    assert_eq!(part.correlations.len(), 1);
    let badly = "DAB0202 detections/defined_badly.yml:1:15";
    assert_eq!(places(&part, root.path()), [badly, "DAB0207 beside/c.yml:4:29"]);
    assert_eq!((part.files, whole.files), (3, 8));
    // A part of the project itself, under another spelling of its path.
    let one = [root.path().join("detections/../detections/a.yml")];
    let part = load_beside(&one, &detections, &[], true).part(&one);
    assert_eq!((ids(&part), part.problems.len()), (vec!["a"], 1));
    let all = load_beside(&detections, &detections, &[], true);
    assert_eq!(ids(&all.part(&detections)), ["a", "b"]);
}
