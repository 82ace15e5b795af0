//! What an import makes of rules: by example, and of all that are public.

use std::{fs, path::Path};

use super::*;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn rule(id: &str, logsource: &str) -> String {
    format!(
        "title: {id}\nid: {id}\nlogsource: {{{logsource}}}\ndetection: {{s: {{a: b}}, condition: \
         s}}\n"
    )
}

fn import(root: &Path) -> (Import, Vec<PathBuf>) {
    let roots = vec![root.to_owned()];
    (Import::new(&crate::load(&roots, &[], true), &roots), roots)
}

/// What adds up for every import.
fn check_sums(import: &Import, project_problems: usize) {
    let sorted = import.usable.len() + import.without_events.len() + import.refused.len();
    assert_eq!(sorted, import.files);
    let problems: usize = import.reasons.values().map(Vec::len).sum();
    assert_eq!(problems, project_problems);
}

#[test]
fn rules_are_sorted_told_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("from");
    let aws = "product: aws, service: cloudtrail";
    write(&root, "cloud/aws.yml", &rule("aws", aws));
    write(&root, "cloud/aws.tests.yml", "[]\n");
    write(&root, "cloud/azure.yml", &rule("azure", "product: moon"));
    write(&root, "bad.yml", &rule("bad", aws).replace("condition: s", "condition: t"));
    let unknown = rule("x", aws).replace("a: b", "'a|expand': '%Admins%'");
    write(&root, "placeholder.yml", &unknown);
    let never = rule("never", "product: windows, category: image_load");
    write(&root, "never.yml", &never.replace("a: b", "EventID: 10, Image: x"));
    let sshd = rule("sshd", "product: linux, service: sshd");
    write(&root, "sshd.yml", &sshd.replace("condition: s", "t: {user: x}, condition: s or t"));
    let (import, roots) = import(&root);
    check_sums(&import, 2);
    let expected = "\
6 files: 4 rules load, 0 filters, 0 correlations, 2 problems

run here: 2 rules
      1  aws_cloudtrail
      1  linux_sshd
      1  linux_syslog

no log source has the events: 1 rules
      1  product: moon

never match: 1 rules
         never.yml:4:17: the rule never matches: no event of `windows_events_xml`, `windows_events` that reaches it has what it asks of `EventID`

ask for fields that no log source has: 1 places
         sshd.yml:4:17: the field `a` is not one of `linux_sshd`, `linux_syslog`

don't load: 2 problems
      1  DAB0206 there is no selection `…`
         bad.yml:4:35
      1  DAB0207 the placeholder `…` has no values here
         placeholder.yml:4:29

2 files can be used, 2 have no events here, 2 don't load
";
    let text = import.text(Detail::Summary).replace(&format!("{}/", root.display()), "");
    assert_eq!(text, expected, "\n{text}");
    let all = import.text(Detail::All);
    assert!(all.contains("cloud/azure.yml:1: azure\n"), "{all}");
    let json = import.json();
    assert_eq!(json["unrouted"][0]["rules"][0]["id"], "azure");
    assert_eq!(json["running"][0]["log_sources"][0], "aws_cloudtrail");
    assert_eq!(json["never"][0]["why"]["code"], "DAB0246");
    assert_eq!(json["unknown_fields"][0]["code"], "DAB0244");

    let into = folder.path().join("to");
    let copied = import.copy(&roots, &into, false).unwrap();
    assert_eq!((copied.written, copied.same, copied.kept.len()), (3, 0, 0));
    assert!(into.join("cloud/aws.yml").is_file() && into.join("cloud/aws.tests.yml").is_file());
    assert!(!into.join("cloud/azure.yml").is_file());
    fs::write(into.join("cloud/aws.yml"), "mine").unwrap();
    let copied = import.copy(&roots, &into, false).unwrap();
    assert_eq!((copied.written, copied.same), (0, 2));
    assert_eq!(copied.kept, [into.join("cloud/aws.yml")]);
    assert_eq!(fs::read_to_string(into.join("cloud/aws.yml")).unwrap(), "mine");
    let copied = import.copy(&roots, &into, true).unwrap();
    assert_eq!((copied.written, copied.same, copied.kept.len()), (1, 2, 0));
    assert_eq!(fs::read_to_string(into.join("cloud/aws.yml")).unwrap(), rule("aws", aws));
}

/// Definitions go with what they name.
#[test]
fn files_that_definitions_name_are_copied() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("from");
    let aws = rule("aws", "product: aws, service: cloudtrail");
    write(&root, "x/aws.yml", &aws.replace("a: b", "'a|expand': '%Admins%'"));
    write(&root, "x/defined.yml", "placeholders: {Admins: {file: lists/admins.txt}}\n");
    write(&root, "x/lists/admins.txt", "mira\n");
    write(&root, "x/lists/other.txt", "bob\n");
    let (import, roots) = import(&root);
    check_sums(&import, 0);
    let into = folder.path().join("to");
    assert_eq!(import.copy(&roots, &into, false).unwrap().written, 3);
    let again = crate::load(&[into], &[], true);
    assert_eq!((again.problems.len(), again.rules.len()), (0, 1));
}

/// What stands on rules that are not copied would not load where it is copied to.
#[test]
fn filters_and_correlations_go_with_their_rules() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("from");
    write(&root, "aws.yml", &rule("aws", "product: aws, service: cloudtrail"));
    write(&root, "azure.yml", &rule("azure", "product: moon"));
    let count = |id: &str, of: &str| {
        format!(
            "title: {id}\nid: {id}\ncorrelation: {{type: event_count, rules: [{of}], \
             timespan: 1m, condition: {{gte: 2}}}}\n"
        )
    };
    write(&root, "c1.yml", &count("c1", "aws"));
    write(&root, "c2.yml", &count("c2", "azure"));
    write(&root, "c3.yml", &count("c3", "c2"));
    let filter = "title: F\nid: f\nlogsource: {product: aws, service: cloudtrail}\nfilter: {rules: \
                  [aws], s: {c: d}, condition: not s}\n";
    write(&root, "f.yml", filter);
    let (import, roots) = import(&root);
    check_sums(&import, 0);
    assert_eq!((import.filters, import.correlations), (1, 3));
    let into = folder.path().join("to");
    assert_eq!(import.copy(&roots, &into, false).unwrap().written, 3);
    let again = crate::load(&[into], &[], true);
    assert_eq!(again.problems, []);
    assert_eq!((again.rules.len(), again.filters, again.correlations.len()), (1, 1, 1));
}

/// Every public rule is usable, without events, or refused with a reason; those that are copied
/// load again as they are.
#[cfg(unix)]
#[test]
fn the_public_rules_are_all_accounted_for() {
    let Some(root) = crate::tests::public_rules() else { return };
    let (import, roots) = import(root.path());
    let project = crate::load(&roots, &[], true);
    check_sums(&import, project.problems.len());
    assert_eq!(import.rules(), project.rules.len());
    assert!(import.files > 3700, "{}", import.files);
    assert!(import.usable.len() > 2500, "{}", import.usable.len());
    println!("{}", import.text(Detail::Summary));
    let into = tempfile::tempdir().unwrap();
    let copied = import.copy(&roots, into.path(), false).unwrap();
    assert_eq!((copied.written, copied.kept.len()), (import.usable.len(), 0));
    let again = crate::load(&[into.path().to_owned()], &[], true);
    assert_eq!(again.files, import.usable.len());
    assert_eq!(again.rules.len(), import.running.len());
}
