//! The detections that ship with dab, from `content/detections`, built into the program.

/// Every shipped detection: its path below `content/detections`, and its text.
#[must_use]
pub const fn shipped_detections() -> &'static [(&'static str, &'static str)] {
    SHIPPED
}

/// Names a file once: its path is where its text is.
macro_rules! shipped {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../content/detections/", $path)))),+]
    };
}

const SHIPPED: &[(&str, &str)] = shipped![
    "aws/access_key_for_another_user.yml",
    "aws/administrator_policy_attached.yml",
    "aws/bucket_made_public.yml",
    "aws/console_login_without_mfa.yml",
    "aws/copy_tool_on_bucket.yml",
    "aws/guardduty_disabled.yml",
    "aws/root_user_active.yml",
    "aws/secret_read_with_user_key.yml",
    "aws/security_group_open.yml",
    "aws/snapshot_shared.yml",
    "aws/trail_narrowed.yml",
    "aws/trail_stopped.yml",
    "linux/ssh_password_from_outside.yml",
    "linux/ssh_root_login.yml",
    "linux/ssh_too_many_attempts.yml",
    "linux/ssh_unknown_user.yml",
    "okta/administrator_behind_proxy.yml",
    "okta/api_token_created.yml",
    "okta/factors_reset.yml",
    "okta/push_denied.yml",
    "okta/session_from_new_country.yml",
    "okta/sign_on_rule_deactivated.yml",
    "okta/super_administrator_granted.yml",
    "okta/suspicious_activity_reported.yml",
    "web/path_traversal.yml",
    "web/scanner.yml",
    "web/secret_file_served.yml",
    "web/shell_command.yml",
    "web/sql_injection.yml",
    "windows/audit_log_cleared.yml",
    "windows/certutil_download.yml",
    "windows/defender_disabled.yml",
    "windows/executable_in_public_folder.yml",
    "windows/lsass_read.yml",
    "windows/office_starts_shell.yml",
    "windows/powershell_encoded.yml",
    "windows/run_key_user_folder.yml",
    "windows/shadow_copies_deleted.yml",
    "windows/shell_connects_outside.yml",
    "windows/task_user_folder.yml",
    "windows/wevtutil_clear.yml",
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn the_list_is_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/detections");
        let mut files = Vec::new();
        for group in fs::read_dir(&folder).unwrap() {
            let group = group.unwrap();
            for file in fs::read_dir(group.path()).unwrap() {
                let group = group.file_name().into_string().unwrap();
                let file = file.unwrap().file_name().into_string().unwrap();
                files.push(format!("{group}/{file}"));
            }
        }
        files.sort();
        let listed: Vec<_> = shipped_detections().iter().map(|(path, _)| *path).collect();
        assert_eq!(listed, files);
    }

    #[test]
    fn every_step_names_detections_that_are_shipped() {
        let ids: BTreeSet<_> = shipped_detections()
            .iter()
            .filter_map(|(_, text)| text.lines().find_map(|line| line.strip_prefix("id: ")))
            .collect();
        assert_eq!(ids.len(), shipped_detections().len(), "an id is missing or used twice");
        for step in crate::steps() {
            assert!(!step.expected_rule_ids.is_empty(), "{}", step.name);
            for id in step.expected_rule_ids {
                assert!(ids.contains(id), "{}: {id}", step.name);
            }
        }
    }
}
