//! Sigma rules with the names that Sigma and vendors have for fields find the events of shipped log sources
//! that have them under others.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests, outside of the functions that clippy knows as tests"
)]

use std::{fs, path::Path};

use base::{Clock as _, SystemClock};
use dab_vet::Evaluator;

/// How many events of a log source's sample the rule matches.
fn matching(log_source: &str, rule: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rule.yml");
    fs::write(&path, format!("title: T\n{rule}")).unwrap();
    let project = dab_vet::load(&[path], &[], true);
    assert_eq!(project.problems, []);
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../decode/tests/samples");
    let sample = fs::read(samples.join(format!("{log_source}.log"))).unwrap();
    let rules = project.rules.clone();
    let mut evaluator =
        Evaluator::new(&project, rules, Some(log_source), SystemClock.now()).unwrap();
    let mut count = 0;
    evaluator.read(&sample, true, &mut |found| count += found.matches());
    count
}

#[track_caller]
fn check(log_source: &str, route: &str, selection: &str) {
    let rule = format!("logsource: {{{route}}}\ndetection: {{s: {{{selection}}}, condition: s}}\n");
    assert!(matching(log_source, &rule) > 0, "{log_source}: {selection}");
    let other = rule.replace(": '", ": 'other-");
    assert_eq!(matching(log_source, &other), 0, "{log_source}: {selection}");
}

#[test]
fn names_of_others_find_the_fields() {
    check("linux_sshd", "product: linux, service: sshd", "user: 'deploy', src_ip: '2001:db8::7'");
    check("linux_sshd", "product: linux, service: auth", "host: 'bastion', user: 'admin'");
    let traffic = "rule: 'allow web', src_ip: '10.0.0.7', username|endswith: 'anna'";
    check("palo_alto", "category: firewall", traffic);
    check("palo_alto", "product: paloalto, category: firewall", traffic);
    check("palo_alto", "product: paloalto", "rule: 'allow web'");
    let read = "user|endswith: 'user/anna', cs-method: 'GET', src_ip: '203.0.113.9', user_agent: 'aws-cli/2.1'";
    check("aws_s3_access", "product: aws, service: s3", read);
    check("cisco_asa", "product: cisco, service: aaa", "user: 'eve'");
    check("cisco_asa", "product: cisco, service: asa", "user: 'anna', group: 'vpn'");
    check("cisco_asa", "category: firewall", "action: 'built', src_ip: '203.0.113.9'");
}
