//! Windows events, Sysmon's and Security's, flattened to one JSON object a line as `NXLog` and
//! similar shippers send them. The rendered `Message` is left out.
//!
//! The fields of each event follow Sysmon's manifest (schema 4.90) and Microsoft's list of Security
//! audit events.

use super::Record;
use crate::{
    cast,
    text::{Host, Scene},
};

mod events;

pub(crate) use events::story;

/// One kind of event.
#[derive(Debug)]
pub(crate) struct Entry {
    body: Body,
    /// Values for the body's template, in its order of names.
    values: &'static [(&'static str, &'static str)],
}

/// Which event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    ProcessCreate,
    NetworkConnect,
    ImageLoad,
    ProcessAccess,
    FileCreate,
    RegistrySet,
    DnsQuery,
    Logon,
    LogonFailed,
    Logoff,
    Privileges,
    NewProcess,
    LogCleared,
}

const TEMPLATE: &str = concat!(
    r#"{"@timestamp":"<iso_ms>","EventTime":"<utc>","Hostname":"<host>.corp.larkspur.example","#,
    r#""Computer":"<host>.corp.larkspur.example","Channel":"<channel>","EventID":<id>,"#,
    r#""SourceName":"<provider>","ProviderGuid":"<guid>","Version":<version>,"Task":<task>,"#,
    r#""OpcodeValue":0,"Keywords":"<keywords>","Severity":"INFO","SeverityValue":2,"#,
    r#""RecordNumber":<number>,"ExecutionProcessID":3<below:900>,"ThreadID":4<below:900>,"#,
    r#"<body>,"EventReceivedTime":"<utc>","SourceModuleName":"eventlog","#,
    r#""SourceModuleType":"im_msvistalog"}"#,
);

const ACCOUNT: &str = concat!(
    r#""Domain":"NT AUTHORITY","AccountName":"SYSTEM","UserID":"S-1-5-18","#,
    r#""AccountType":"User","RuleName":"-","UtcTime":"<utc_ms>","#,
);
const PROCESS: &str = concat!(
    r#"<account>"ProcessGuid":"{5b1c7e02-<hex:4>-68f1-<hex:4>-000000002c00}","#,
    r#""ProcessId":"<below:20000>","#,
);
const PROCESS_CREATE: &str = concat!(
    r#"<process>"Image":"<image>","FileVersion":"10.0.26100.<below:7000>","#,
    r#""Description":"<description>","Product":"<product>","Company":"<company>","#,
    r#""OriginalFileName":"<original>","CommandLine":"<command>","CurrentDirectory":"<directory>","#,
    r#""User":"<user>","LogonGuid":"{5b1c7e02-<hex:4>-68f1-<hex:4>-020000000000}","#,
    r#""LogonId":"0x<hex:6>","TerminalSessionId":"1","IntegrityLevel":"<integrity>","#,
    r#""Hashes":"SHA1=<HEX:40>,MD5=<HEX:32>,SHA256=<HEX:64>,IMPHASH=<HEX:32>","#,
    r#""ParentProcessGuid":"{5b1c7e02-<hex:4>-68f1-<hex:4>-000000002c00}","#,
    r#""ParentProcessId":"<below:20000>","ParentImage":"<parent>","#,
    r#""ParentCommandLine":"<parent_command>","ParentUser":"<user>""#,
);
const NETWORK_CONNECT: &str = concat!(
    r#"<process>"Image":"<image>","User":"<user>","Protocol":"tcp","Initiated":"true","#,
    r#""SourceIsIpv6":"false","SourceIp":"<inside_ip>","SourceHostname":"<host>","#,
    r#""SourcePort":"5<below:10>2<below:10>4","SourcePortName":"-","DestinationIsIpv6":"false","#,
    r#""DestinationIp":"<to>","DestinationHostname":"-","DestinationPort":"<port>","#,
    r#""DestinationPortName":"-""#,
);
const IMAGE_LOAD: &str = concat!(
    r#"<process>"Image":"<image>","ImageLoaded":"<loaded>","FileVersion":"10.0.26100.<below:7000>","#,
    r#""Description":"<description>","Product":"Microsoft® Windows® Operating System","#,
    r#""Company":"Microsoft Corporation","OriginalFileName":"<original>","#,
    r#""Hashes":"SHA1=<HEX:40>,MD5=<HEX:32>,SHA256=<HEX:64>,IMPHASH=<HEX:32>","Signed":"true","#,
    r#""Signature":"Microsoft Windows","SignatureStatus":"Valid","User":"<user>""#,
);
const PROCESS_ACCESS: &str = concat!(
    r#"<account>"SourceProcessGUID":"{5b1c7e02-<hex:4>-68f1-<hex:4>-000000002c00}","#,
    r#""SourceProcessId":"<below:20000>","SourceThreadId":"<below:20000>","SourceImage":"<image>","#,
    r#""TargetProcessGUID":"{5b1c7e02-0a11-68f1-0c00-000000002c00}","TargetProcessId":"<below:2000>","#,
    r#""TargetImage":"<target>","GrantedAccess":"<access>","#,
    r#""CallTrace":"C:\\Windows\\SYSTEM32\\ntdll.dll+9d<hex:3>|C:\\Windows\\System32\\KERNELBASE.dll+2<hex:4>|<trace>","#,
    r#""SourceUser":"<user>","TargetUser":"NT AUTHORITY\\SYSTEM""#,
);
const FILE_CREATE: &str = concat!(
    r#"<process>"Image":"<image>","TargetFilename":"<file>","CreationUtcTime":"<utc_ms>","#,
    r#""User":"<user>""#,
);
const REGISTRY_SET: &str = concat!(
    r#""EventType":"SetValue",<process>"Image":"<image>","TargetObject":"<key>","#,
    r#""Details":"<details>","User":"<user>""#,
);
const DNS_QUERY: &str = concat!(
    r#"<process>"Image":"<image>","QueryName":"<query>","QueryStatus":"0","#,
    r#""QueryResults":"::ffff:<answer>;","User":"<user>""#,
);
const LOGON: &str = concat!(
    r#""EventType":"AUDIT_SUCCESS","Category":"Logon","SubjectUserSid":"S-1-5-18","#,
    r#""SubjectUserName":"<host>$","SubjectDomainName":"LARKSPUR","SubjectLogonId":"0x3e7","#,
    r#""TargetUserSid":"<sid>","TargetUserName":"<login>","TargetDomainName":"LARKSPUR","#,
    r#""TargetLogonId":"0x<hex:6>","LogonType":"<logon>","LogonProcessName":"<logon_process>","#,
    r#""AuthenticationPackageName":"<package>","WorkstationName":"<host>","#,
    r#""LogonGuid":"{5b1c7e02-<hex:4>-68f1-<hex:4>-<hex:12>}","TransmittedServices":"-","#,
    r#""LmPackageName":"-","KeyLength":"0","ProcessId":"0x<hex:3>","#,
    r#""ProcessName":"C:\\Windows\\System32\\<pick:svchost|lsass|winlogon>.exe","#,
    r#""IpAddress":"<inside_ip>","IpPort":"5<below:10>2<below:10>4","ImpersonationLevel":"%%1833","#,
    r#""RestrictedAdminMode":"-","VirtualAccount":"%%1843","ElevatedToken":"%%1843""#,
);
const LOGON_FAILED: &str = concat!(
    r#""EventType":"AUDIT_FAILURE","Category":"Logon","SubjectUserSid":"S-1-0-0","#,
    r#""SubjectUserName":"-","SubjectDomainName":"-","SubjectLogonId":"0x0","#,
    r#""TargetUserSid":"S-1-0-0","TargetUserName":"<login>","TargetDomainName":"LARKSPUR","#,
    r#""Status":"0xc000006d","FailureReason":"%%2313","SubStatus":"0xc000006a","LogonType":"3","#,
    r#""LogonProcessName":"NtLmSsp ","AuthenticationPackageName":"NTLM","WorkstationName":"<host>","#,
    r#""TransmittedServices":"-","LmPackageName":"-","KeyLength":"0","ProcessId":"0x0","#,
    r#""ProcessName":"-","IpAddress":"<inside_ip>","IpPort":"5<below:10>2<below:10>4""#,
);
const LOGOFF: &str = concat!(
    r#""EventType":"AUDIT_SUCCESS","Category":"Logoff","TargetUserSid":"<sid>","#,
    r#""TargetUserName":"<login>","TargetDomainName":"LARKSPUR","TargetLogonId":"0x<hex:6>","#,
    r#""LogonType":"3""#,
);
const PRIVILEGES: &str = concat!(
    r#""EventType":"AUDIT_SUCCESS","Category":"Special Logon","SubjectUserSid":"S-1-5-18","#,
    r#""SubjectUserName":"<host>$","SubjectDomainName":"LARKSPUR","SubjectLogonId":"0x<hex:6>","#,
    r#""PrivilegeList":"SeSecurityPrivilege\r\n\t\t\tSeBackupPrivilege\r\n\t\t\tSeRestorePrivilege\r\n\t\t\tSeDebugPrivilege""#,
);
const NEW_PROCESS: &str = concat!(
    r#""EventType":"AUDIT_SUCCESS","Category":"Process Creation","SubjectUserSid":"<sid>","#,
    r#""SubjectUserName":"<login>","SubjectDomainName":"LARKSPUR","SubjectLogonId":"0x<hex:6>","#,
    r#""NewProcessId":"0x<hex:4>","NewProcessName":"<image>","TokenElevationType":"%%1938","#,
    r#""ProcessId":"0x<hex:4>","CommandLine":"<command>","TargetUserSid":"S-1-0-0","#,
    r#""TargetUserName":"-","TargetDomainName":"-","TargetLogonId":"0x0","#,
    r#""ParentProcessName":"<parent>","MandatoryLabel":"S-1-16-8192""#,
);
const LOG_CLEARED: &str = concat!(
    r#""EventType":"INFO","Category":"Log clear","SubjectUserSid":"<sid>","#,
    r#""SubjectUserName":"<login>","SubjectDomainName":"LARKSPUR","SubjectLogonId":"0x<hex:6>""#,
);

/// What the frame of an event says: id, version, task, template of the rest.
struct Frame {
    id: &'static str,
    version: &'static str,
    task: &'static str,
    body: &'static str,
}

impl Body {
    const fn frame(self) -> Frame {
        let (id, version, task, body) = match self {
            Self::ProcessCreate => ("1", "5", "1", PROCESS_CREATE),
            Self::NetworkConnect => ("3", "5", "3", NETWORK_CONNECT),
            Self::ImageLoad => ("7", "3", "7", IMAGE_LOAD),
            Self::ProcessAccess => ("10", "3", "10", PROCESS_ACCESS),
            Self::FileCreate => ("11", "2", "11", FILE_CREATE),
            Self::RegistrySet => ("13", "2", "13", REGISTRY_SET),
            Self::DnsQuery => ("22", "5", "22", DNS_QUERY),
            Self::Logon => ("4624", "3", "12544", LOGON),
            Self::LogonFailed => ("4625", "0", "12544", LOGON_FAILED),
            Self::Logoff => ("4634", "0", "12545", LOGOFF),
            Self::Privileges => ("4672", "0", "12548", PRIVILEGES),
            Self::NewProcess => ("4688", "2", "13312", NEW_PROCESS),
            Self::LogCleared => ("1102", "1", "104", LOG_CLEARED),
        };
        Frame { id, version, task, body }
    }

    const fn is_sysmon(self) -> bool {
        match self {
            Self::ProcessCreate
            | Self::NetworkConnect
            | Self::ImageLoad
            | Self::ProcessAccess
            | Self::FileCreate
            | Self::RegistrySet
            | Self::DnsQuery => true,
            Self::Logon
            | Self::LogonFailed
            | Self::Logoff
            | Self::Privileges
            | Self::NewProcess
            | Self::LogCleared => false,
        }
    }

    /// Channel, provider, its GUID, keywords.
    const fn channel(self) -> [&'static str; 4] {
        if self.is_sysmon() {
            [
                "Microsoft-Windows-Sysmon/Operational",
                "Microsoft-Windows-Sysmon",
                "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
                "0x8000000000000000",
            ]
        } else if matches!(self, Self::LogCleared) {
            [
                "Security",
                "Microsoft-Windows-Eventlog",
                "{FC65DDD8-D6EF-4962-83D5-6E5CFE9CE148}",
                "0x4020000000000000",
            ]
        } else {
            [
                "Security",
                "Microsoft-Windows-Security-Auditing",
                "{54849625-5478-4994-A5BA-3E3B0328C30D}",
                "0x8020000000000000",
            ]
        }
    }
}

/// Picks an event of an ordinary day.
pub(crate) fn ordinary(scene: &mut Scene<'_>) -> Record {
    let entry = scene.random.pick_weighted(events::ORDINARY);
    let on_server = matches!(entry.body, Body::Logon | Body::Logoff | Body::Privileges);
    if on_server && scene.random.below(3) > 0 {
        let server: &&str = scene.random.pick(&cast::WINDOWS_SERVERS);
        scene.host = Host::Server(server);
    }
    Record::Windows(entry)
}

/// Writes one event.
pub(crate) fn write(entry: &'static Entry, scene: &mut Scene<'_>, out: &mut String) {
    let frame = entry.body.frame();
    let [channel, provider, guid, keywords] = entry.body.channel();
    let head = [
        ("channel", channel),
        ("id", frame.id),
        ("provider", provider),
        ("guid", guid),
        ("version", frame.version),
        ("task", frame.task),
        ("keywords", keywords),
        ("body", frame.body),
        ("account", ACCOUNT),
        ("process", PROCESS),
    ];
    // The longest entry has 11 values of its own.
    let mut values = [("", ""); 32];
    let all = head.iter().chain(entry.values).chain(events::DEFAULTS);
    for (slot, value) in values.iter_mut().zip(all) {
        *slot = *value;
    }
    scene.write(TEMPLATE, &values, out);
}
