//! The story: who attacks how, step by step, and which detections each step must set off.

use std::time::Duration;

use crate::source::{Record, aws, okta, sshd, web, windows};

/// A step of the attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its short name: [`Generated::attack`](crate::Generated::attack) of its records.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub title: &'static str,
    /// The log source in which it shows.
    pub log_source: &'static str,
    /// The shipped detections that its records set off, by `id`: these at least.
    pub expected_rule_ids: &'static [&'static str],
}

/// The steps of the attack, in order.
#[must_use]
pub const fn steps() -> &'static [Step] {
    STEPS
}

/// Who does something in the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// The attacker's scanner, which knows nobody yet.
    Scanner,
    /// The clerk's workstation, with the attacker's program in it.
    Clerk,
    /// The administrator herself.
    Admin,
    /// The attacker under the administrator's name.
    Thief,
}

/// A record of the story and when it happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    /// Since the start.
    pub(crate) offset: Duration,
    pub(crate) step: &'static str,
    pub(crate) actor: Actor,
    pub(crate) record: Record,
}

/// Some records of one kind, evenly spread.
struct Beat {
    step: &'static str,
    /// From when to when, in thousandths of the whole length.
    when: (u32, u32),
    count: u32,
    actor: Actor,
    record: Record,
}

/// The story's records with their times, the last one first.
pub(crate) fn plan(length: Duration) -> Vec<Planned> {
    let mut planned = Vec::new();
    for beat in BEATS {
        let (from, until) = beat.when;
        for index in 0..beat.count {
            let thousandths = from * beat.count + (until - from) * index;
            let share = f64::from(thousandths) / f64::from(1000 * beat.count);
            let Beat { step, actor, record, .. } = *beat;
            planned.push(Planned { offset: length.mul_f64(share), step, actor, record });
        }
    }
    planned.sort_by_key(|planned| planned.offset);
    planned.reverse();
    planned
}

const AWS_CONSOLE_LOGIN_WITHOUT_MFA: &str = "31f4cc89-88e1-4d5c-94b5-907920413646";
const AWS_ACCESS_KEY_FOR_ANOTHER_USER: &str = "669600c2-f498-41ad-a357-754e09e559a6";
const AWS_ADMINISTRATOR_POLICY_ATTACHED: &str = "17b4b785-0f92-489f-9edf-96f6781a824c";
const AWS_TRAIL_STOPPED: &str = "1e849407-cc21-48a2-af8f-21ad46f8ce8b";
const AWS_GUARDDUTY_DISABLED: &str = "bfc8320d-a191-4d9a-9f4f-6fcd3e1bbfcc";
const AWS_SECRET_READ_WITH_USER_KEY: &str = "8faa4c76-75ae-47f6-afa3-c4703cb3e40e";
const AWS_BUCKET_MADE_PUBLIC: &str = "de4dcc1e-eb4e-471e-b5ab-c3ce3d129e61";
const AWS_SNAPSHOT_SHARED: &str = "37dc82cf-d35f-486e-94cc-00cd27c0f05a";
const AWS_COPY_TOOL_ON_BUCKET: &str = "17586245-3a0d-4ac2-8a28-e954992bdc55";
const OKTA_PUSH_DENIED: &str = "bec83845-0d23-486f-b21b-a92531e5cdbd";
const OKTA_SUSPICIOUS_ACTIVITY_REPORTED: &str = "98bdee9f-3f34-442a-a1e3-ae4ce1c7e792";
const OKTA_SESSION_FROM_NEW_COUNTRY: &str = "36f5b763-c077-436b-b6dc-9e9492e3bb79";
const OKTA_SUPER_ADMINISTRATOR_GRANTED: &str = "400d6f65-232b-4db7-98dc-7892167d2f36";
const OKTA_API_TOKEN_CREATED: &str = "89a33cda-966a-4346-a874-0ef268c935c4";
const OKTA_SIGN_ON_RULE_DEACTIVATED: &str = "cdbf0060-f5f4-41d1-9900-c39450a4af7a";
const OKTA_ADMINISTRATOR_BEHIND_PROXY: &str = "183f02c3-4906-41bb-a9ea-db4cb77e4b38";
const WINDOWS_OFFICE_STARTS_SHELL: &str = "02822278-63d0-497e-839c-46c72262ef40";
const WINDOWS_POWERSHELL_ENCODED: &str = "e0c896e9-d570-4401-b2c7-972204847698";
const WINDOWS_CERTUTIL_DOWNLOAD: &str = "021645ff-4606-46b9-b5ee-aad530bcbcab";
const WINDOWS_LSASS_READ: &str = "1e6661a2-127f-4a6d-b17c-28ec0e74d604";
const WINDOWS_RUN_KEY_USER_FOLDER: &str = "5fb9cdb8-22e5-437a-ba5a-23d938713fd6";
const WINDOWS_TASK_USER_FOLDER: &str = "3f5a2bcb-f055-4d75-b9b0-1e8a7a729422";
const WINDOWS_AUDIT_LOG_CLEARED: &str = "7eb2debd-9da0-4428-a376-5168bf302cbe";
const WINDOWS_WEVTUTIL_CLEAR: &str = "67ff296b-8c1d-4da4-8166-c19d6a4ff1ad";
const WINDOWS_SHELL_CONNECTS_OUTSIDE: &str = "0739c33a-28b1-4d89-a27b-681fa6517660";
const WINDOWS_EXECUTABLE_IN_PUBLIC_FOLDER: &str = "d7e63d2f-cc16-46f2-80ee-d61ec70fc7a8";
const WINDOWS_DEFENDER_DISABLED: &str = "7b452453-8ade-488d-9cea-80fc46274b7a";
const WEB_SCANNER: &str = "4d6adf38-aa24-41d7-827a-aa4ec005d187";
const WEB_PATH_TRAVERSAL: &str = "70005e6a-d1a2-4a2f-9c3a-2d33ebec77a3";
const WEB_SHELL_COMMAND: &str = "da493fd8-1566-48d8-b1c3-018a5e0a3625";
const WEB_SQL_INJECTION: &str = "cb8b3e39-6570-40f6-820e-81ac4fb84b0d";
const WEB_SECRET_FILE_SERVED: &str = "35ec4c29-ceca-474e-9c73-480e78730a4a";
const LINUX_SSH_UNKNOWN_USER: &str = "96c7aa42-6eb6-4ea5-a240-c41f73db1f6d";
const LINUX_SSH_PASSWORD_FROM_OUTSIDE: &str = "af23c504-8c00-4e6f-a434-6c423455bf76";
const LINUX_SSH_ROOT_LOGIN: &str = "1ae50217-2476-4acc-a1c5-bbc952cbb379";
const LINUX_SSH_TOO_MANY_ATTEMPTS: &str = "f3108654-5ecb-4bab-a960-08da47f3db2e";

const STEPS: &[Step] = &[
    Step {
        name: "web_scan",
        title: "A scanner looks for weak spots of the web site and finds a file of secrets",
        log_source: "nginx_access",
        expected_rule_ids: &[WEB_SCANNER, WEB_SECRET_FILE_SERVED],
    },
    Step {
        name: "web_break_in",
        title: "It reads files outside the web root and tries SQL in the search",
        log_source: "nginx_access",
        expected_rule_ids: &[WEB_PATH_TRAVERSAL, WEB_SQL_INJECTION, WEB_SCANNER],
    },
    Step {
        name: "web_shell",
        title: "A picture that is no picture runs commands on the web server",
        log_source: "nginx_access",
        expected_rule_ids: &[WEB_SHELL_COMMAND],
    },
    Step {
        name: "ssh_guessing",
        title: "The scanner guesses names and passwords on the bastion",
        log_source: "linux_sshd",
        expected_rule_ids: &[LINUX_SSH_UNKNOWN_USER, LINUX_SSH_TOO_MANY_ATTEMPTS],
    },
    Step {
        name: "ssh_entry",
        title: "The password from the file of secrets opens the bastion, and root follows",
        log_source: "linux_sshd",
        expected_rule_ids: &[LINUX_SSH_PASSWORD_FROM_OUTSIDE, LINUX_SSH_ROOT_LOGIN],
    },
    Step {
        name: "phishing",
        title: "Tobias in finance opens an invoice; its macro starts a hidden PowerShell",
        log_source: "windows_events",
        expected_rule_ids: &[
            WINDOWS_OFFICE_STARTS_SHELL,
            WINDOWS_POWERSHELL_ENCODED,
            WINDOWS_SHELL_CONNECTS_OUTSIDE,
        ],
    },
    Step {
        name: "foothold",
        title: "A program is fetched and made to survive a restart",
        log_source: "windows_events",
        expected_rule_ids: &[
            WINDOWS_CERTUTIL_DOWNLOAD,
            WINDOWS_EXECUTABLE_IN_PUBLIC_FOLDER,
            WINDOWS_RUN_KEY_USER_FOLDER,
            WINDOWS_TASK_USER_FOLDER,
        ],
    },
    Step {
        name: "credentials",
        title: "Defender is switched off and passwords are read from memory, Mira's among them",
        log_source: "windows_events",
        expected_rule_ids: &[WINDOWS_DEFENDER_DISABLED, WINDOWS_LSASS_READ],
    },
    Step {
        name: "mfa_fatigue",
        title: "Mira gets push after push until she accepts one; then she reports it",
        log_source: "okta_system",
        expected_rule_ids: &[
            OKTA_PUSH_DENIED,
            OKTA_SESSION_FROM_NEW_COUNTRY,
            OKTA_SUSPICIOUS_ACTIVITY_REPORTED,
        ],
    },
    Step {
        name: "okta_takeover",
        title: "In her name, an accomplice becomes super administrator and a rule is switched off",
        log_source: "okta_system",
        expected_rule_ids: &[
            OKTA_ADMINISTRATOR_BEHIND_PROXY,
            OKTA_SUPER_ADMINISTRATOR_GRANTED,
            OKTA_API_TOKEN_CREATED,
            OKTA_SIGN_ON_RULE_DEACTIVATED,
        ],
    },
    Step {
        name: "aws_login",
        title: "The attacker logs in to the AWS console without a second factor",
        log_source: "aws_cloudtrail",
        expected_rule_ids: &[AWS_CONSOLE_LOGIN_WITHOUT_MFA],
    },
    Step {
        name: "aws_back_door",
        title: "A user with a key and all permissions is made",
        log_source: "aws_cloudtrail",
        expected_rule_ids: &[AWS_ACCESS_KEY_FOR_ANOTHER_USER, AWS_ADMINISTRATOR_POLICY_ATTACHED],
    },
    Step {
        name: "aws_blinding",
        title: "The trail is stopped and deleted, GuardDuty removed",
        log_source: "aws_cloudtrail",
        expected_rule_ids: &[AWS_TRAIL_STOPPED, AWS_GUARDDUTY_DISABLED],
    },
    Step {
        name: "aws_secrets",
        title: "The new user reads every secret there is",
        log_source: "aws_cloudtrail",
        expected_rule_ids: &[AWS_SECRET_READ_WITH_USER_KEY],
    },
    Step {
        name: "aws_theft",
        title: "Designs leave the company: a shared snapshot, an opened bucket, a bulk copy",
        log_source: "aws_cloudtrail",
        expected_rule_ids: &[AWS_SNAPSHOT_SHARED, AWS_BUCKET_MADE_PUBLIC, AWS_COPY_TOOL_ON_BUCKET],
    },
    Step {
        name: "clean_up",
        title: "The workstation's event logs are cleared",
        log_source: "windows_events",
        expected_rule_ids: &[WINDOWS_WEVTUTIL_CLEAR, WINDOWS_AUDIT_LOG_CLEARED],
    },
];

const BEATS: &[Beat] = &[
    Beat {
        step: "web_scan",
        when: (20, 80),
        count: 24,
        actor: Actor::Scanner,
        record: Record::Web(&web::story::PROBE),
    },
    Beat {
        step: "web_scan",
        when: (84, 84),
        count: 1,
        actor: Actor::Scanner,
        record: Record::Web(&web::story::SECRETS),
    },
    Beat {
        step: "web_break_in",
        when: (95, 125),
        count: 6,
        actor: Actor::Scanner,
        record: Record::Web(&web::story::TRAVERSAL),
    },
    Beat {
        step: "web_break_in",
        when: (128, 140),
        count: 5,
        actor: Actor::Scanner,
        record: Record::Web(&web::story::INJECTION),
    },
    Beat {
        step: "web_shell",
        when: (150, 150),
        count: 1,
        actor: Actor::Scanner,
        record: Record::Web(&web::story::UPLOAD),
    },
    Beat {
        step: "web_shell",
        when: (155, 185),
        count: 7,
        actor: Actor::Scanner,
        record: Record::Web(&web::story::SHELL),
    },
    Beat {
        step: "ssh_guessing",
        when: (120, 190),
        count: 30,
        actor: Actor::Scanner,
        record: Record::Sshd(sshd::story::UNKNOWN),
    },
    Beat {
        step: "ssh_guessing",
        when: (121, 191),
        count: 30,
        actor: Actor::Scanner,
        record: Record::Sshd(sshd::story::FAILED),
    },
    Beat {
        step: "ssh_guessing",
        when: (160, 180),
        count: 3,
        actor: Actor::Scanner,
        record: Record::Sshd(sshd::story::TOO_MANY),
    },
    Beat {
        step: "ssh_entry",
        when: (205, 205),
        count: 1,
        actor: Actor::Scanner,
        record: Record::Sshd(sshd::story::ACCEPTED),
    },
    Beat {
        step: "ssh_entry",
        when: (225, 225),
        count: 1,
        actor: Actor::Scanner,
        record: Record::Sshd(sshd::story::ROOT),
    },
    Beat {
        step: "phishing",
        when: (260, 260),
        count: 1,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::DOCUMENT),
    },
    Beat {
        step: "phishing",
        when: (265, 265),
        count: 1,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::OFFICE_SHELL),
    },
    Beat {
        step: "phishing",
        when: (268, 300),
        count: 4,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::BEACON),
    },
    Beat {
        step: "foothold",
        when: (310, 310),
        count: 1,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::DOWNLOAD),
    },
    Beat {
        step: "foothold",
        when: (312, 312),
        count: 1,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::DROP),
    },
    Beat {
        step: "foothold",
        when: (325, 325),
        count: 1,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::RUN_KEY),
    },
    Beat {
        step: "foothold",
        when: (330, 330),
        count: 1,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::TASK),
    },
    Beat {
        step: "credentials",
        when: (345, 345),
        count: 1,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::WHOAMI),
    },
    Beat {
        step: "credentials",
        when: (350, 350),
        count: 1,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::DEFENDER_OFF),
    },
    Beat {
        step: "credentials",
        when: (360, 370),
        count: 2,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::DUMP),
    },
    Beat {
        step: "mfa_fatigue",
        when: (420, 490),
        count: 14,
        actor: Actor::Thief,
        record: Record::Okta(&okta::story::DENY),
    },
    Beat {
        step: "mfa_fatigue",
        when: (492, 492),
        count: 1,
        actor: Actor::Thief,
        record: Record::Okta(&okta::story::APPROVE),
    },
    Beat {
        step: "mfa_fatigue",
        when: (493, 493),
        count: 1,
        actor: Actor::Thief,
        record: Record::Okta(&okta::story::SESSION),
    },
    Beat {
        step: "mfa_fatigue",
        when: (540, 540),
        count: 1,
        actor: Actor::Admin,
        record: Record::Okta(&okta::story::REPORT),
    },
    Beat {
        step: "okta_takeover",
        when: (510, 510),
        count: 1,
        actor: Actor::Thief,
        record: Record::Okta(&okta::story::ADMIN_APP),
    },
    Beat {
        step: "okta_takeover",
        when: (520, 520),
        count: 1,
        actor: Actor::Thief,
        record: Record::Okta(&okta::story::GRANT),
    },
    Beat {
        step: "okta_takeover",
        when: (530, 530),
        count: 1,
        actor: Actor::Thief,
        record: Record::Okta(&okta::story::CREATE_TOKEN),
    },
    Beat {
        step: "okta_takeover",
        when: (545, 545),
        count: 1,
        actor: Actor::Thief,
        record: Record::Okta(&okta::story::DEACTIVATE_RULE),
    },
    Beat {
        step: "aws_login",
        when: (600, 600),
        count: 1,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::LOGIN),
    },
    Beat {
        step: "aws_back_door",
        when: (620, 620),
        count: 1,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::CREATE_USER),
    },
    Beat {
        step: "aws_back_door",
        when: (624, 624),
        count: 1,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::ATTACH_ADMIN),
    },
    Beat {
        step: "aws_back_door",
        when: (628, 628),
        count: 1,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::CREATE_KEY),
    },
    Beat {
        step: "aws_blinding",
        when: (650, 650),
        count: 1,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::STOP_LOGGING),
    },
    Beat {
        step: "aws_blinding",
        when: (655, 655),
        count: 1,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::DELETE_TRAIL),
    },
    Beat {
        step: "aws_blinding",
        when: (660, 660),
        count: 1,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::DELETE_DETECTOR),
    },
    Beat {
        step: "aws_secrets",
        when: (690, 740),
        count: 24,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::READ_SECRET),
    },
    Beat {
        step: "aws_theft",
        when: (760, 760),
        count: 1,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::SHARE_SNAPSHOT),
    },
    Beat {
        step: "aws_theft",
        when: (775, 775),
        count: 1,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::OPEN_BUCKET),
    },
    Beat {
        step: "aws_theft",
        when: (790, 900),
        count: 60,
        actor: Actor::Thief,
        record: Record::Aws(&aws::story::COPY_OBJECT),
    },
    Beat {
        step: "clean_up",
        when: (930, 945),
        count: 3,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::CLEAR),
    },
    Beat {
        step: "clean_up",
        when: (950, 950),
        count: 1,
        actor: Actor::Clerk,
        record: Record::Windows(&windows::story::CLEARED),
    },
];
