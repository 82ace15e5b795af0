//! The ssh servers' log: OpenSSH's messages in BSD syslog lines (RFC 3164, no priority, no year).

use super::Record;
use crate::{
    cast,
    text::{Host, Scene},
};

const TEMPLATE: &str = "<bsd> <host> sshd[<below:30000>]: <message>";

/// What happens every day: keys from inside, a mistyped password now and then, the backup server's
/// old password login.
const ORDINARY: &[(u32, &str)] = &[
    (
        50,
        "Accepted publickey for <pick:deploy|ansible> from <inside_ip> port 5<below:10>1<below:10>2 ssh2: ED25519 SHA256:<base32:43>",
    ),
    (
        40,
        "Accepted publickey for <login> from <inside_ip> port 4<below:10>8<below:10>6 ssh2: ED25519 SHA256:<base32:43>",
    ),
    (80, "pam_unix(sshd:session): session opened for user <login>(uid=1<person>) by (uid=0)"),
    (80, "pam_unix(sshd:session): session closed for user <login>"),
    (
        60,
        "Received disconnect from <inside_ip> port 5<below:10>1<below:10>2:11: disconnected by user",
    ),
    (60, "Disconnected from user <login> <inside_ip> port 5<below:10>1<below:10>2"),
    (10, "Failed password for <login> from <inside_ip> port 5<below:10>3<below:10>8 ssh2"),
    (6, "Accepted password for backup from 10.20.0.9 port 4<below:10>4<below:10>4 ssh2"),
    (6, "Connection closed by <inside_ip> port 5<below:10>9<below:10>0 [preauth]"),
    (2, "Server listening on 0.0.0.0 port 22."),
];

/// The lines of the story.
pub(crate) mod story {
    pub(crate) const UNKNOWN: &str = "Invalid user <pick:admin|oracle|postgres|test|ubuntu|git|jenkins> from <ip> port 4<below:10>1<below:10>7";
    pub(crate) const FAILED: &str = "Failed password for invalid user <pick:admin|oracle|postgres|test> from <ip> port 4<below:10>1<below:10>7 ssh2";
    pub(crate) const TOO_MANY: &str = "error: maximum authentication attempts exceeded for root from <ip> port 4<below:10>1<below:10>7 ssh2 [preauth]";
    pub(crate) const ACCEPTED: &str = "Accepted password for deploy from <ip> port 40177 ssh2";
    pub(crate) const ROOT: &str =
        "Accepted publickey for root from <ip> port 40181 ssh2: RSA SHA256:<base32:43>";
}

/// Picks a line of an ordinary day.
pub(crate) fn ordinary(scene: &mut Scene<'_>) -> Record {
    let server: &&str = scene.random.pick(&cast::SSH_SERVERS);
    scene.host = Host::Server(server);
    let message: &&str = scene.random.pick_weighted(ORDINARY);
    Record::Sshd(message)
}

/// Writes one line.
pub(crate) fn write(message: &'static str, scene: &mut Scene<'_>, out: &mut String) {
    scene.write(TEMPLATE, &[("message", message)], out);
}
