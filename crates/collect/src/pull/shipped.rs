//! The pulls that come with dab, from `content/pull`.

/// Their names and files, in alphabetical order.
#[must_use]
pub const fn shipped_pulls() -> &'static [(&'static str, &'static str)] {
    macro_rules! files {
        ($($name:literal),*) => {
            &[$(($name, include_str!(concat!("../../../../content/pull/", $name, ".yml")))),*]
        };
    }
    files![
        "atlassian",
        "cloudflare_audit",
        "duo_administrators",
        "duo_authentication",
        "github_audit",
        "google_workspace",
        "m365",
        "microsoft_graph_sign_ins",
        "misp",
        "okta",
        "onepassword",
        "salesforce_events",
        "slack_audit",
        "taxii",
        "zoom_operations"
    ]
}
