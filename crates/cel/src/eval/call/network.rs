//! Functions of addresses and networks.

use super::{Evaluated, overload};
use crate::{
    error::EvalError,
    functions::{Function, NetFunction},
    net::{self, Network},
    value::CelValue,
};

/// Applies a function of addresses and networks.
pub(super) fn apply<'a>(function: NetFunction, values: &[CelValue<'a>]) -> Evaluated<'a> {
    use CelValue::{Bool, Cidr, Int, Ip, Text};
    Ok(match (function, values) {
        (NetFunction::IsIp, [Text(text)]) => Bool(net::parse_ip(text).is_ok()),
        (NetFunction::IsCidr, [Text(text)]) => Bool(Network::parse_strictly(text).is_ok()),
        (NetFunction::IsCanonical, [Text(text)]) => {
            let address = net::parse_ip(text).map_err(invalid)?;
            Bool(address.to_string() == **text)
        }
        (NetFunction::Family, [Ip(address)]) => Int(if address.is_ipv4() { 4 } else { 6 }),
        (NetFunction::IsUnspecified, [Ip(address)]) => Bool(address.is_unspecified()),
        (NetFunction::IsLoopback, [Ip(address)]) => Bool(address.is_loopback()),
        (NetFunction::IsGlobalUnicast, [Ip(address)]) => Bool(net::is_global_unicast(*address)),
        (NetFunction::IsLinkLocalMulticast, [Ip(address)]) => {
            Bool(net::is_link_local_multicast(*address))
        }
        (NetFunction::IsLinkLocalUnicast, [Ip(address)]) => {
            Bool(net::is_link_local_unicast(*address))
        }
        (NetFunction::ContainsIp, [Cidr(network), Ip(address)]) => Bool(network.holds(*address)),
        (NetFunction::ContainsIp, [Cidr(network), Text(text)]) => {
            Bool(network.holds(net::parse_ip(text).map_err(invalid)?))
        }
        (NetFunction::ContainsCidr, [Cidr(network), Cidr(part)]) => Bool(covers(*network, *part)),
        (NetFunction::ContainsCidr, [Cidr(network), Text(text)]) => {
            Bool(covers(*network, Network::parse_strictly(text).map_err(invalid)?))
        }
        (NetFunction::AddressOf, [Cidr(network)]) => Ip(network.address()),
        (NetFunction::Masked, [Cidr(network)]) => Cidr(network.masked()),
        (NetFunction::PrefixLength, [Cidr(network)]) => Int(network.bits().into()),
        (_, values) => return Err(overload(Function::Net(function), values)),
    })
}

/// Our own `net.inCidr`, which takes any text for an address.
pub(super) fn in_cidr<'a>(address: &CelValue<'a>, network: &CelValue<'a>) -> Evaluated<'a> {
    let wrong = || EvalError::overload("net.inCidr", &[address.kind(), network.kind()]);
    let parsed = match network {
        CelValue::Text(text) => Network::parse(text)
            .map_err(|reason| EvalError::Argument { what: "the network", reason })?,
        CelValue::Cidr(network) => *network,
        _ => return Err(wrong()),
    };
    match address {
        CelValue::Text(text) => Ok(CelValue::Bool(parsed.contains(text))),
        CelValue::Ip(address) => Ok(CelValue::Bool(parsed.holds(*address))),
        _ => Err(wrong()),
    }
}

fn covers(network: Network, part: Network) -> bool {
    network.bits() <= part.bits() && network.holds(part.address())
}

fn invalid(message: String) -> EvalError {
    EvalError::Text(message.into())
}
