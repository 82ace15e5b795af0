//! Socket addresses as the kernel logs them: `struct sockaddr` in hexadecimal digits.

use std::net::{Ipv4Addr, Ipv6Addr};

use base::Value;

use super::hex_bytes;

/// What an address says, under the names that `auparse` has for it: `saddr_fam`, and `laddr` and
/// `lport`, or `path`. Nothing if it is none that is known.
pub(super) fn parts(digits: &str) -> Vec<(&'static str, Value<'static>)> {
    hex_bytes(digits.as_bytes()).and_then(|bytes| read(&bytes)).unwrap_or_default()
}

fn read(bytes: &[u8]) -> Option<Vec<(&'static str, Value<'static>)>> {
    const LOCAL: u8 = 1;
    const INET: u8 = 2;
    const INET6: u8 = 10;
    // The family is in the byte order of the machine: both have the number in one of two bytes.
    let family = match bytes {
        [low, 0, ..] => *low,
        [0, high, ..] => *high,
        _ => return None,
    };
    let ip = |name, address: String| {
        let port = i64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?));
        Some(vec![
            ("saddr_fam", Value::text(name)),
            ("laddr", Value::text(address)),
            ("lport", Value::Int(port)),
        ])
    };
    match family {
        INET => {
            let address: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            ip("inet", Ipv4Addr::from(address).to_string())
        }
        INET6 => {
            let address: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            ip("inet6", Ipv6Addr::from(address).to_string())
        }
        LOCAL => {
            let path = bytes.get(2..)?;
            // Names that begin with a zero are in no file system; `@` is how they are shown.
            let (sign, path) = match path {
                [0, path @ ..] => ("@", path),
                path => ("", path),
            };
            let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
            let path = std::str::from_utf8(path).ok()?;
            Some(vec![
                ("saddr_fam", Value::text("local")),
                ("path", Value::text(format!("{sign}{path}"))),
            ])
        }
        _ => None,
    }
}
