//! Records of the audit daemon.

use proptest::prelude::*;

use crate::fixture::{decoded, decoder};

fn one(line: &str) -> String {
    let found = decoded("auditd", line);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn hex(text: &[u8]) -> String {
    text.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn records_are_read_with_their_types() {
    assert_eq!(
        one(concat!(
            "node=web type=SYSCALL msg=audit(1795507200.123:77): arch=c000003e syscall=59 success=yes exit=0 ",
            "a0=55d0 a1=2 items=2 ppid=1 pid=811 auid=4294967295 uid=0 tty=(none) ses=3 comm=\"cat\" ",
            "exe=2F746D702F6120E9 key=\"exec\"\u{1d}ARCH=x86_64 SYSCALL=execve AUID=\"unset\" UID=\"root\""
        )),
        concat!(
            r#"{"node":"web","type":"SYSCALL","timestamp":"1795507200.123","serial":77,"arch":"c000003e","syscall":59,"success":"yes","exit":0,"#,
            r#""a0":"55d0","a1":"2","items":2,"ppid":1,"pid":811,"auid":4294967295,"uid":0,"tty":null,"ses":3,"comm":"cat","#,
            // Not UTF-8: the digits stay.
            r#""exe":"2F746D702F6120E9","key":"exec","ARCH":"x86_64","SYSCALL":"execve","AUID":"unset","UID":"root"}"#
        )
    );
    let time = "msg=audit(1795507200.123:78): ";
    let stamp = r#""timestamp":"1795507200.123","serial":78,"#;
    for (record, expected) in [
        (
            format!("type=EXECVE {time}argc=3 a0=\"sh\" a1=2D63 a2[0]={} a2[1]={}", hex(b"ec"), hex("hé".as_bytes())),
            r#""argc":3,"a0":"sh","a1":"-c","a2":"eché"}"#.to_owned(),
        ),
        (
            format!("type=PROCTITLE {time}proctitle={}", hex(b"sh\0-c\0id\0")),
            r#""proctitle":"sh -c id"}"#.to_owned(),
        ),
        (
            format!("type=PATH {time}item=0 name={} inode=5 mode=0100755 nametype=NORMAL", hex(b"/tmp/a b")),
            r#""item":0,"name":"/tmp/a b","inode":5,"mode":"0100755","nametype":"NORMAL"}"#.to_owned(),
        ),
        (
            format!("type=CONFIG_CHANGE {time}key={} list=4 res=1", hex(b"a\x01b")),
            r#""key":["a","b"],"list":"4","res":"1"}"#.to_owned(),
        ),
        (
            format!("type=SOCKADDR {time}saddr=020001BBC00002010000000000000000"),
            r#""saddr_fam":"inet","laddr":"192.0.2.1","lport":443,"saddr":"020001BBC00002010000000000000000"}"#.to_owned(),
        ),
        (
            format!("type=SOCKADDR {time}saddr=0A0000350000000020010DB800000000000000000000000100000000\u{1d}SADDR={{ saddr_fam=inet6 laddr=2001:db8::1 lport=53 }}"),
            r#""saddr_fam":["inet6","inet6"],"laddr":["2001:db8::1","2001:db8::1"],"lport":[53,53],"saddr":"0A0000350000000020010DB800000000000000000000000100000000"}"#.to_owned(),
        ),
        (
            format!("type=SOCKADDR {time}saddr=01002F72756E2F7800"),
            r#""saddr_fam":"local","path":"/run/x","saddr":"01002F72756E2F7800"}"#.to_owned(),
        ),
        (
            format!("type=USER_LOGIN {time}pid=1 uid=0 auid=1000 ses=2 msg='op=login acct=\"anna\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.9 terminal=ssh res=success'\u{1d}UID=\"root\""),
            r#""pid":1,"uid":0,"auid":1000,"ses":2,"op":"login","acct":"anna","exe":"/usr/sbin/sshd","hostname":null,"addr":"192.0.2.9","terminal":"ssh","res":"success","UID":"root"}"#.to_owned(),
        ),
        (
            format!("type=AVC {time}avc:  denied  {{ read write }} for  pid=5 comm=\"cat\" scontext=a:b:c:s0"),
            r#""seresult":"denied","seperms":["read","write"],"pid":5,"comm":"cat","scontext":"a:b:c:s0"}"#.to_owned(),
        ),
        (
            format!("type=USER {time}msg='it said so'  some words pid=x"),
            r#""msg":"it said so","message":"some words","pid":"x"}"#.to_owned(),
        ),
    ] {
        let kind = record.split(' ').next().unwrap().replace("type=", "");
        assert_eq!(one(&record), format!(r#"{{"type":"{kind}",{stamp}{expected}"#));
    }
    // As the kernel's ring buffer has it, without the daemon.
    assert_eq!(
        one("audit: type=1400 audit(1795507200.123:9): apparmor=\"DENIED\" operation=\"open\""),
        r#"{"type":"1400","timestamp":"1795507200.123","serial":9,"apparmor":"DENIED","operation":"open"}"#
    );
    assert_eq!(
        one("no record"),
        "!! the record has no `audit(time:serial)`: `no record`, at byte 0 of the record"
    );
}

#[test]
fn its_time_is_the_stamp() {
    let decoder = decoder("format: auditd\ntime: {field: timestamp, format: unix_seconds}");
    let event = decoder.decode(b"type=X msg=audit(1795507199.123:1): a=b", &crate::fixture::at());
    assert_eq!(event.unwrap().time.to_string(), "2026-11-24T07:59:59.123Z");
}

proptest! {
    #[test]
    fn names_of_files_are_read_back(name in "\\PC{1,20}") {
        let line = format!("type=PATH msg=audit(1.2:3): name={} x=y", hex(name.as_bytes()));
        let found: serde_json::Value = serde_json::from_str(&one(&line)).unwrap();
        prop_assert_eq!(&found["name"], &name);
        prop_assert_eq!(&found["x"], "y");
    }

    #[test]
    fn no_text_is_too_odd(text in "[a0-9='\"{}\\[\\] \u{1d}é:()]{0,60}", kind in "(EXECVE|SOCKADDR|X)") {
        decoded("auditd", &format!("type={kind} msg=audit(1.2:3): {text}"));
        decoded("auditd", &format!("{text} audit(1:2) saddr={text} a0={text}"));
    }
}
