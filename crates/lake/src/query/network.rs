//! Addresses and networks, as conditions and SQL's functions know them.
//!
//! An IPv4 address that is mapped into IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.

use std::{fmt, net::IpAddr};

/// A network: an address, and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

/// An address, however it is written; `None` for any other text.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    // What no address begins with is the most of what is asked.
    let may = text.as_bytes().first().is_some_and(|byte| byte.is_ascii_hexdigit() || *byte == b':');
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    may.then(|| text.parse::<IpAddr>().ok()).flatten().map(|address| address.to_canonical())
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or a single address. Bits behind the network's do not
    /// count.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (spelled, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let plain: IpAddr = spelled.parse().map_err(|_| format!("`{spelled}` is no IP address"))?;
        let bits_max = if plain.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => bits_max,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= bits_max)
                .ok_or_else(|| format!("`/{bits}` is not between /0 and /{bits_max}"))?,
        };
        match (plain, plain.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(mapped)) if bits >= 96 => {
                Ok(Self { address: mapped.into(), bits: bits - 96 })
            }
            _ => Ok(Self { address: plain, bits }),
        }
    }

    /// Whether an address is in it.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                let top = |address: std::net::Ipv4Addr| u64::from(address.to_bits()) >> shift;
                top(own) == top(other)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                let top =
                    |address: std::net::Ipv6Addr| address.to_bits().checked_shr(shift).unwrap_or(0);
                top(own) == top(other)
            }
            _ => false,
        }
    }

    /// The first address, and how many bits count.
    pub(crate) fn first(self) -> (IpAddr, u8) {
        let first = match self.address {
            IpAddr::V4(own) => {
                let shift = 32 - u32::from(self.bits);
                let bits = own.to_bits().checked_shr(shift).and_then(|top| top.checked_shl(shift));
                IpAddr::V4(bits.unwrap_or(0).into())
            }
            IpAddr::V6(own) => {
                let shift = 128 - u32::from(self.bits);
                let bits = own.to_bits().checked_shr(shift).and_then(|top| top.checked_shl(shift));
                IpAddr::V6(bits.unwrap_or(0).into())
            }
        };
        (first, self.bits)
    }
}

impl Network {
    /// The last address.
    pub(crate) fn last(self) -> IpAddr {
        match self.first() {
            (IpAddr::V4(first), bits) => {
                let rest = u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
                IpAddr::V4((first.to_bits() | rest).into())
            }
            (IpAddr::V6(first), bits) => {
                let rest = u128::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
                IpAddr::V6((first.to_bits() | rest).into())
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, bits) = self.first();
        write!(f, "{first}/{bits}")
    }
}

/// Whether an address belongs to a network of its own kind that no router of the internet forwards:
/// RFC 1918, 6598, 3927, 1122, 4193, 4291.
pub(crate) fn is_private(address: IpAddr) -> bool {
    const PRIVATE: [&str; 10] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
        "::/128",
    ];
    thread_local! {
        static NETWORKS: Vec<Network> =
            PRIVATE.iter().filter_map(|text| Network::parse(text).ok()).collect();
    }
    NETWORKS.with(|networks| networks.iter().any(|network| network.contains(address)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        for (network, text, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.1.2.3/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "::ffff:a00:1", true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:DB8:1::", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("fe80::/10", "fe80::1%eth0", true),
            ("10.0.0.1", "10.0.0.1", true),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address(text).unwrap()), expected, "{network} {text}");
        }
        for text in ["", "x", "10.0.0", "10.0.0.1:443", "1", "deadbeef", "10.0.0.256"] {
            assert_eq!(address(text), None, "{text}");
        }
        assert_eq!(Network::parse("10.0.0.0/33").unwrap_err(), "`/33` is not between /0 and /32");
        assert_eq!(Network::parse("10.0.0/8").unwrap_err(), "`10.0.0` is no IP address");
        assert_eq!(Network::parse("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(Network::parse("2001:db8::1/32").unwrap().to_string(), "2001:db8::/32");
        assert_eq!(Network::parse("::1/0").unwrap().to_string(), "::/0");
    }

    #[test]
    fn knows_private_addresses() {
        for (text, expected) in [
            ("10.0.0.1", true),
            ("172.15.0.1", false),
            ("172.31.0.1", true),
            ("192.168.9.9", true),
            ("100.64.0.1", true),
            ("8.8.8.8", false),
            ("::1", true),
            ("fd00::1", true),
            ("2001:4860::1", false),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(is_private(address(text).unwrap()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_bit_by_bit(own: u32, other: u32, bits in 0_u8..=32) {
            let same = (0..u32::from(bits)).all(|bit| {
                own << bit & 0x8000_0000 == other << bit & 0x8000_0000
            });
            let text = format!("{}/{bits}", std::net::Ipv4Addr::from(own));
            let network = Network::parse(&text).unwrap();
            prop_assert_eq!(network.contains(std::net::Ipv4Addr::from(other).into()), same);
            prop_assert!(network.contains(network.first().0));
        }
    }
}
