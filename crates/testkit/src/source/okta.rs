//! Okta's System Log: one event object a line.
//!
//! The fields and their order follow the `LogEvent` object of Okta's System Log API.

use super::Record;
use crate::{cast, text::Scene};

/// One kind of event.
#[derive(Debug)]
pub(crate) struct Entry {
    kind: &'static str,
    message: &'static str,
    severity: &'static str,
    result: &'static str,
    reason: &'static str,
    /// The `debugData` object.
    debug: &'static str,
    /// The `target` array or null.
    target: &'static str,
    /// Whether an administrator rather than anybody acts.
    admin: bool,
}

const TEMPLATE: &str = concat!(
    r#"{"actor":{"id":"00u4larkspur<person>AbC5d7","type":"User","alternateId":"<email>","#,
    r#""displayName":"<name>","detailEntry":null},"client":{"userAgent":{"rawUserAgent":"<agent>","#,
    r#""os":"<os>","browser":"CHROME"},"zone":"null","device":"Computer","id":null,"#,
    r#""ipAddress":"<ip>","geographicalContext":{"city":"<city>","state":"<state>","#,
    r#""country":"<country>","postalCode":"<postal>","geolocation":{"lat":<lat>,"lon":<lon>}}},"#,
    r#""device":null,"authenticationContext":{"authenticationProvider":null,"#,
    r#""credentialProvider":<credential>,"credentialType":null,"issuer":null,"interface":null,"#,
    r#""authenticationStep":0,"rootSessionId":"idx<hex:22>","externalSessionId":"idx<hex:22>"},"#,
    r#""displayMessage":"<message>","eventType":"<kind>","outcome":{"result":"<result>","#,
    r#""reason":<reason>},"published":"<iso_ms>","securityContext":{"asNumber":<asn>,"#,
    r#""asOrg":"<as_org>","isp":"<as_org>","domain":".","isProxy":<proxy>},"#,
    r#""severity":"<severity>","debugContext":{"debugData":<debug>},"legacyEventType":null,"#,
    r#""transaction":{"type":"WEB","id":"<hex:32>","detail":{}},"uuid":"<uuid>","version":"0","#,
    r#""request":{"ipChain":[{"ip":"<ip>","geographicalContext":{"city":"<city>","#,
    r#""state":"<state>","country":"<country>","postalCode":"<postal>","#,
    r#""geolocation":{"lat":<lat>,"lon":<lon>}},"version":"V4","source":null}]},"#,
    r#""target":<target>}"#,
);

const MAC: &str = concat!(
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) ",
    "Chrome/142.0.0.0 Safari/537.36",
);
const LINUX: &str = concat!(
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 ",
    "Safari/537.36",
);

const USUAL: &str = concat!(
    r#"{"requestId":"<hex:32>","dtHash":"<hex:64>","requestUri":"/idp/idx/identify","#,
    r#""threatSuspected":"false","risk":"{level=LOW}","behaviors":"{New Geo-Location=NEGATIVE, "#,
    r#"New Device=NEGATIVE, New IP=<pick:NEGATIVE|NEGATIVE|POSITIVE>, New State=NEGATIVE, "#,
    r#"New Country=NEGATIVE, Velocity=NEGATIVE, New City=NEGATIVE}","url":"/idp/idx/identify?"}"#,
);
const STRANGE: &str = concat!(
    r#"{"requestId":"<hex:32>","dtHash":"<hex:64>","requestUri":"/idp/idx/challenge/answer","#,
    r#""threatSuspected":"false","risk":"{reasons=Anomalous Location, level=HIGH}","#,
    r#""behaviors":"{New Geo-Location=POSITIVE, New Device=POSITIVE, New IP=POSITIVE, "#,
    r#"New State=POSITIVE, New Country=POSITIVE, Velocity=POSITIVE, New City=POSITIVE}","#,
    r#""url":"/idp/idx/challenge/answer?"}"#,
);
const CALL: &str = concat!(
    r#"{"requestId":"<hex:32>","dtHash":"<hex:64>","requestUri":"/api/internal/v1/admin","#,
    r#""url":"/api/internal/v1/admin?"}"#,
);

const APP: &str = concat!(
    r#"[{"id":"0oa7lark<pick:Aws1|Git2|Chat|Hr04>Xy5d7","type":"AppInstance","#,
    r#""alternateId":"<pick:AWS IAM Identity Center|GitHub|Chat|Payroll>","#,
    r#""displayName":"<pick:AWS IAM Identity Center|GitHub|Chat|Payroll>","detailEntry":{"#,
    r#""signOnModeType":"SAML_2_0"}},{"id":"0ua<base32:17>","type":"AppUser","#,
    r#""alternateId":"<email>","displayName":"<name>","detailEntry":null}]"#,
);
const SELF: &str = concat!(
    r#"[{"id":"00u4larkspur<person>AbC5d7","type":"User","alternateId":"<email>","#,
    r#""displayName":"<name>","detailEntry":null}]"#,
);
const COLLEAGUE: &str = concat!(
    r#"[{"id":"00u4larkspur031AbC5d7","type":"User","alternateId":"oscar.lund@larkspur.example","#,
    r#""displayName":"Oscar Lund","detailEntry":null}]"#,
);
const GROUP: &str = concat!(
    r#"[{"id":"00u4larkspur012AbC5d7","type":"User","alternateId":"farah.haddad@larkspur.example","#,
    r#""displayName":"Farah Haddad","detailEntry":null},{"id":"00g2lark9Robots5d7","#,
    r#""type":"UserGroup","alternateId":"unknown","displayName":"<pick:Firmware|Field service>","#,
    r#""detailEntry":null}]"#,
);
const TOKEN: &str = concat!(
    r#"[{"id":"00T<base32:17>","type":"Token","alternateId":"unknown","#,
    r#""displayName":"directory-sync","detailEntry":null}]"#,
);
const RULE: &str = concat!(
    r#"[{"id":"rul9larkAdminMfa5d7","type":"PolicyRule","alternateId":"unknown","#,
    r#""displayName":"Administrators need a security key","detailEntry":null},"#,
    r#"{"id":"00p3larkGlobal5d7","type":"PolicyEntity","alternateId":"unknown","#,
    r#""displayName":"Global session policy","detailEntry":{"policyType":"OktaSignOn"}}]"#,
);

const fn entry(kind: &'static str, message: &'static str, target: &'static str) -> Entry {
    Entry {
        kind,
        message,
        severity: "INFO",
        result: "SUCCESS",
        reason: "null",
        debug: USUAL,
        target,
        admin: false,
    }
}

/// What happens every day: people log in, deny a push that they sent to the wrong phone, forget
/// their passwords; administrators move people between groups.
const ORDINARY: &[(u32, Entry)] = &[
    (220, entry("user.session.start", "User login to Okta", "null")),
    (200, entry("user.authentication.auth_via_mfa", "Authentication of user via MFA", SELF)),
    (420, entry("user.authentication.sso", "User single sign on to app", APP)),
    (150, entry("policy.evaluate_sign_on", "Evaluation of sign-on policy", APP)),
    (60, entry("user.session.end", "User logout from Okta", "null")),
    (
        30,
        Entry {
            severity: "WARN",
            result: "FAILURE",
            reason: r#""INVALID_CREDENTIALS""#,
            ..entry("user.session.start", "User login to Okta", "null")
        },
    ),
    (
        4,
        Entry {
            severity: "WARN",
            result: "FAILURE",
            ..entry("user.mfa.okta_verify.deny_push", "User rejected Okta push verify", SELF)
        },
    ),
    (10, entry("user.account.update_password", "User update password for Okta", SELF)),
    (
        8,
        Entry {
            debug: CALL,
            admin: true,
            ..entry("group.user_membership.add", "Add user to group membership", GROUP)
        },
    ),
    (
        2,
        Entry {
            debug: r#"{"requestId":"<hex:32>","requestUri":"/api/v1/users/00u4larkspur031AbC5d7/roles","privilegeGranted":"Help desk administrator"}"#,
            admin: true,
            ..entry("user.account.privilege.grant", "Grant user privilege", COLLEAGUE)
        },
    ),
    (
        6,
        Entry {
            debug: CALL,
            admin: true,
            ..entry("user.session.access_admin_app", "User accessing Okta admin app", APP)
        },
    ),
];

/// The events of the story.
pub(crate) mod story {
    use super::{CALL, COLLEAGUE, Entry, RULE, SELF, STRANGE, TOKEN, entry};

    pub(crate) const DENY: Entry = Entry {
        severity: "WARN",
        result: "FAILURE",
        debug: STRANGE,
        ..entry("user.mfa.okta_verify.deny_push", "User rejected Okta push verify", SELF)
    };
    pub(crate) const APPROVE: Entry = Entry {
        debug: STRANGE,
        ..entry("user.authentication.auth_via_mfa", "Authentication of user via MFA", SELF)
    };
    pub(crate) const SESSION: Entry =
        Entry { debug: STRANGE, ..entry("user.session.start", "User login to Okta", "null") };
    pub(crate) const REPORT: Entry = Entry {
        severity: "WARN",
        debug: r#"{"requestId":"<hex:32>","suspiciousActivityEventType":"user.session.start","suspiciousActivityTimestamp":"<iso_ms>","suspiciousActivityEventIp":"203.0.113.66","suspiciousActivityEventCountry":"Seychelles","suspiciousActivityEventCity":"Victoria"}"#,
        ..entry(
            "user.account.report_suspicious_activity_by_enduser",
            "User report suspicious activity",
            SELF,
        )
    };
    pub(crate) const ADMIN_APP: Entry = Entry {
        debug: CALL,
        admin: true,
        ..entry("user.session.access_admin_app", "User accessing Okta admin app", SELF)
    };
    pub(crate) const GRANT: Entry = Entry {
        debug: r#"{"requestId":"<hex:32>","requestUri":"/api/v1/users/00u4larkspur031AbC5d7/roles","privilegeGranted":"Super administrator"}"#,
        admin: true,
        ..entry("user.account.privilege.grant", "Grant user privilege", COLLEAGUE)
    };
    pub(crate) const CREATE_TOKEN: Entry = Entry {
        debug: CALL,
        admin: true,
        ..entry("system.api_token.create", "Create API token", TOKEN)
    };
    pub(crate) const DEACTIVATE_RULE: Entry = Entry {
        debug: CALL,
        admin: true,
        severity: "WARN",
        ..entry("policy.rule.deactivate", "Deactivate policy rule", RULE)
    };
}

/// Picks an event of an ordinary day.
pub(crate) fn ordinary(scene: &mut Scene<'_>) -> Record {
    let entry = scene.random.pick_weighted(ORDINARY);
    if entry.admin {
        scene.person = &cast::ADMIN;
        scene.place = cast::ADMIN.place();
        scene.address = cast::ADMIN.egress();
    }
    Record::Okta(entry)
}

/// Writes one event.
pub(crate) fn write(entry: &'static Entry, scene: &mut Scene<'_>, out: &mut String) {
    let stolen = scene.address == cast::ATTACKER;
    let (agent, os) = if stolen { (LINUX, "Linux") } else { (MAC, "Mac OS X") };
    let (asn, as_org, proxy) = if stolen {
        ("64511", "island transit hosting", "true")
    } else {
        ("64496", "polder fiber", "false")
    };
    let verified = entry.kind == "user.authentication.auth_via_mfa";
    let values = [
        ("agent", agent),
        ("os", os),
        ("credential", if verified { r#""OKTA_CREDENTIAL_PROVIDER""# } else { "null" }),
        ("message", entry.message),
        ("kind", entry.kind),
        ("result", entry.result),
        ("reason", entry.reason),
        ("asn", asn),
        ("as_org", as_org),
        ("proxy", proxy),
        ("severity", entry.severity),
        ("debug", entry.debug),
        ("target", entry.target),
    ];
    scene.write(TEMPLATE, &values, out);
}
