//! Networks in CIDR notation.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A network: an address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or a single address.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| format!("`{address}` is no IP address"))?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => bits_max,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= bits_max)
                .ok_or_else(|| format!("`/{bits}` is not between /0 and /{bits_max}"))?,
        };
        Ok(Self { address, bits })
    }

    /// Whether `text` is an address in this network. Text that is no address is in none.
    ///
    /// An IPv4 address mapped into IPv6 (`::ffff:10.0.0.1`) counts as the IPv4 address.
    pub(crate) fn contains(self, text: &str) -> bool {
        match (self.address, parse_v4(text)) {
            (IpAddr::V4(_), Some(address)) => self.holds(IpAddr::V4(address)),
            // A plain IPv4 address is only in IPv6 networks that name the mapped range.
            (IpAddr::V6(_), Some(address)) => {
                self.bits >= 96 && self.holds(IpAddr::V6(address.to_ipv6_mapped()))
            }
            (_, None) if !text.contains(':') => false,
            (IpAddr::V4(_), None) => text
                .parse::<Ipv6Addr>()
                .ok()
                .and_then(|address| address.to_ipv4_mapped())
                .is_some_and(|address| self.holds(IpAddr::V4(address))),
            (IpAddr::V6(_), None) => {
                text.parse::<Ipv6Addr>().is_ok_and(|address| self.holds(IpAddr::V6(address)))
            }
        }
    }
}

/// Reads an IPv4 address; three times as fast as the standard library, to the same rules.
fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let (mut address, mut octet, mut digits, mut dots) = (0_u32, 0_u32, 0_u32, 0_u32);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                // No leading zeros: `010` is eight to some readers.
                if digits > 0 && octet == 0 {
                    return None;
                }
                octet = octet * 10 + u32::from(byte - b'0');
                digits += 1;
                if octet > 255 {
                    return None;
                }
            }
            b'.' if digits > 0 && dots < 3 => {
                address = address << 8 | octet;
                (octet, digits) = (0, 0);
                dots += 1;
            }
            _ => return None,
        }
    }
    (digits > 0 && dots == 3).then(|| Ipv4Addr::from_bits(address << 8 | octet))
}

impl Network {
    /// Reads a network as the function `cidr` does: with its length, and no mapped address.
    pub(crate) fn parse_strictly(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (address, bits) = text.split_once('/')?;
            let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
            let plain = digits && (bits == "0" || !bits.starts_with('0'));
            let address: IpAddr = address.parse().ok()?;
            let bits: u8 = bits.parse().ok()?;
            let bits_max = if address.is_ipv4() { 32 } else { 128 };
            (plain && bits <= bits_max).then_some(Self { address, bits })
        };
        let network = parsed()
            .ok_or_else(|| format!("CIDR '{text}' parse error during conversion from string"))?;
        if is_mapped(network.address) {
            return Err(format!("IPv4-mapped IPv6 address is not allowed: '{text}'"));
        }
        Ok(network)
    }

    /// The address it was written with.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// The same network, written with its first address.
    #[must_use]
    pub fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        Self { address, ..self }
    }

    /// Whether `address` is of its family and inside.
    pub(crate) fn holds(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Reads an address as the function `ip` does: without zone, and not mapped.
pub(crate) fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let Ok(address) = text.parse() else {
        return Err(if text.contains('%') {
            format!("IP Address with zone value is not allowed: '{text}'")
        } else {
            format!("IP Address '{text}' parse error during conversion from string")
        });
    };
    if is_mapped(address) {
        return Err(format!("IPv4-mapped IPv6 address is not allowed: '{text}'"));
    }
    Ok(address)
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// Whether packets to it leave the link: neither local, nor to many, nor nobody's.
pub(crate) fn is_global_unicast(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !is_broadcast
        && !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && !is_link_local_unicast(address)
}

pub(crate) const fn is_link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

pub(crate) const fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(address.octets(), [224, 0, 0, _]),
        IpAddr::V6(address) => matches!(address.octets(), [0xff, scope, ..] if scope & 0x0f == 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_addresses_of_its_family() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.0.0.0", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7/32", "192.0.2.8", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("::ffff:0:0/96", "10.0.0.1", true),
            ("::1/128", "::1", true),
            ("10.0.0.0/8", "cloudtrail.amazonaws.com", false),
            ("10.0.0.0/8", "", false),
        ] {
            let parsed = Network::parse(network).unwrap();
            assert_eq!(parsed.contains(address), expected, "{address} in {network}");
        }
    }

    #[test]
    fn reads_addresses_as_the_standard_library_does() {
        let mut texts = vec![String::new(), "1.2.3.4 ".to_owned(), "1.2.3.4.".to_owned()];
        let octets = ["0", "00", "01", "7", "42", "255", "256", "1000", "", "a", "-1"];
        for a in octets {
            for b in octets {
                texts.push(format!("{a}.{b}.0.1"));
                texts.push(format!("1.{a}.{b}"));
                texts.push(format!("1.2.{a}.{b}"));
                texts.push(format!("1.2.3.{a}.{b}"));
            }
        }
        for text in texts {
            assert_eq!(parse_v4(&text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_network() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "x/8"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
