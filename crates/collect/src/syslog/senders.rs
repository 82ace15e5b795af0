//! How much each sender may send.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base::{Timestamp, limits};

use crate::Allowance;

/// What each address has used up.
#[derive(Debug)]
pub(super) struct Senders {
    messages_per_second_max: Option<u64>,
    bytes_per_second_max: Option<u64>,
    known: Mutex<HashMap<IpAddr, Arc<Sender>>>,
}

#[derive(Debug)]
struct Sender {
    messages: Allowance,
    bytes: Allowance,
}

impl Senders {
    pub(super) fn new(
        messages_per_second_max: Option<u64>,
        bytes_per_second_max: Option<u64>,
    ) -> Self {
        Self { messages_per_second_max, bytes_per_second_max, known: Mutex::default() }
    }

    /// How long an address has to wait before it may go on; `None`: not at all.
    pub(super) fn wait(&self, address: IpAddr, now: Timestamp) -> Option<Duration> {
        let sender = self.sender(address, now)?;
        sender.messages.wait(now).max(sender.bytes.wait(now))
    }

    pub(super) fn charge(&self, address: IpAddr, now: Timestamp, messages: u64, bytes: usize) {
        if let Some(sender) = self.sender(address, now) {
            sender.messages.use_up(now, messages);
            sender.bytes.use_up(now, bytes as u64);
        }
    }

    /// `None` where nothing is limited.
    fn sender(&self, address: IpAddr, now: Timestamp) -> Option<Arc<Sender>> {
        self.messages_per_second_max.or(self.bytes_per_second_max)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = known.get(&address) {
            return Some(Arc::clone(sender));
        }
        if known.len() >= limits::SYSLOG_SENDERS_MAX {
            known.retain(|_, sender| !(sender.messages.is_full(now) && sender.bytes.is_full(now)));
        }
        if known.len() >= limits::SYSLOG_SENDERS_MAX {
            // So many at once are made up: to forget who used up what is the smaller harm.
            known.clear();
        }
        let sender = Arc::new(Sender {
            messages: Allowance::new(self.messages_per_second_max),
            bytes: Allowance::new(self.bytes_per_second_max),
        });
        known.insert(address, Arc::clone(&sender));
        Some(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_second() {
        let senders = Senders::new(Some(2), Some(100));
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let at = |millis: i64| Timestamp::from_seconds(1_000_000).plus_micros(millis * 1000);
        assert_eq!(senders.wait(address(1), at(0)), None);
        senders.charge(address(1), at(0), 2, 10);
        assert_eq!(senders.wait(address(1), at(0)), Some(Duration::from_micros(1)));
        assert_eq!(senders.wait(address(2), at(0)), None);
        assert_eq!(senders.wait(address(1), at(1)), None);
        senders.charge(address(2), at(0), 1, 300);
        assert_eq!(senders.wait(address(2), at(0)), Some(Duration::from_micros(2_000_001)));
        let free = Senders::new(None, None);
        free.charge(address(1), at(0), u64::MAX, usize::MAX);
        assert_eq!(free.wait(address(1), at(0)), None);
    }

    #[test]
    fn made_up_addresses_are_forgotten() {
        let senders = Senders::new(Some(1), None);
        let now = Timestamp::from_seconds(1_000_000);
        for number in 0..u32::try_from(limits::SYSLOG_SENDERS_MAX).unwrap() + 10 {
            senders.charge(IpAddr::from(number.to_be_bytes()), now, 5, 1);
        }
        assert!(senders.known.lock().unwrap().len() <= limits::SYSLOG_SENDERS_MAX);
    }
}
