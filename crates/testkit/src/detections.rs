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
    "aws/bedrock_invocation_logging_deleted.yml",
    "aws/bucket_encryption_deleted.yml",
    "aws/bucket_made_public.yml",
    "aws/bucket_mfa_delete_disabled.yml",
    "aws/compromised_key_quarantined.yml",
    "aws/console_login_without_mfa.yml",
    "aws/copy_tool_on_bucket.yml",
    "aws/guardduty_disabled.yml",
    "aws/guardduty_ip_set_changed.yml",
    "aws/instance_user_data_changed.yml",
    "aws/instance_user_data_read.yml",
    "aws/kms_key_lost.yml",
    "aws/lambda_code_changed_by_hand.yml",
    "aws/lambda_layer_added_by_hand.yml",
    "aws/object_copied_with_own_key.yml",
    "aws/password_set_for_another_user.yml",
    "aws/ransom_note_written.yml",
    "aws/rds_database_deleted.yml",
    "aws/rds_snapshot_copied_to_region.yml",
    "aws/rds_snapshot_exported.yml",
    "aws/root_login_failed.yml",
    "aws/root_password_changed.yml",
    "aws/root_user_active.yml",
    "aws/saml_provider_changed.yml",
    "aws/secret_read_with_user_key.yml",
    "aws/security_group_open.yml",
    "aws/snapshot_shared.yml",
    "aws/trail_narrowed.yml",
    "aws/trail_stopped.yml",
    "aws/trufflehog_checks_key.yml",
    "gcp/api_key_made.yml",
    "gcp/bucket_opened_to_everybody.yml",
    "gcp/cloud_run_policy_changed.yml",
    "gcp/flow_logs_disabled.yml",
    "gcp/kms_key_version_lost.yml",
    "gcp/log_bucket_or_sink_deleted.yml",
    "gcp/log_sink_changed.yml",
    "gcp/service_account_or_key_made.yml",
    "gcp/service_perimeter_violated.yml",
    "gcp/stranger_invited_as_owner.yml",
    "github/branch_protection_overridden.yml",
    "github/ip_allow_list_changed.yml",
    "github/member_role_changed.yml",
    "github/organization_login_changed.yml",
    "github/package_manager_at_work.yml",
    "github/repository_transferred.yml",
    "github/ruleset_changed.yml",
    "github/security_feature_disabled.yml",
    "github/vulnerability_alert_dismissed.yml",
    "google_workspace/data_of_everybody_exported.yml",
    "google_workspace/gmail_delayed_delivery_disabled.yml",
    "google_workspace/gmail_sandbox_disabled.yml",
    "google_workspace/mobile_device_compromised.yml",
    "google_workspace/old_passwords_permitted.yml",
    "google_workspace/password_leaked.yml",
    "google_workspace/second_factor_disabled.yml",
    "google_workspace/strong_password_not_asked.yml",
    "google_workspace/trusted_domain_changed.yml",
    "kubernetes/administrators_role_bound.yml",
    "kubernetes/admission_webhook_made.yml",
    "kubernetes/all_secrets_listed.yml",
    "kubernetes/command_run_in_pod.yml",
    "kubernetes/node_port_opened.yml",
    "kubernetes/pod_in_host_namespaces.yml",
    "kubernetes/pod_in_system_namespace.yml",
    "kubernetes/pod_with_dangerous_capability.yml",
    "kubernetes/role_that_runs_commands.yml",
    "kubernetes/role_with_wildcard.yml",
    "kubernetes/service_account_token_stolen.yml",
    "linux/ssh_password_from_outside.yml",
    "linux/ssh_root_login.yml",
    "linux/ssh_too_many_attempts.yml",
    "linux/ssh_unknown_user.yml",
    "okta/administrator_behind_proxy.yml",
    "okta/api_token_created.yml",
    "okta/application_refused.yml",
    "okta/console_from_new_device_and_address.yml",
    "okta/factor_type_deactivated.yml",
    "okta/factors_reset.yml",
    "okta/fastpass_stopped_phishing.yml",
    "okta/group_made_administrator.yml",
    "okta/identity_provider_changed.yml",
    "okta/org2org_changed.yml",
    "okta/password_of_another_shown.yml",
    "okta/passwords_pushed_to_application.yml",
    "okta/push_denied.yml",
    "okta/refresh_token_used_twice.yml",
    "okta/session_behind_proxy.yml",
    "okta/session_from_new_country.yml",
    "okta/sign_on_rule_deactivated.yml",
    "okta/super_administrator_granted.yml",
    "okta/support_let_in.yml",
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
