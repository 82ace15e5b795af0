//! Templates: the text of a record with places to fill in.
//!
//! A template is the record as the product writes it, with `<key>` where a value goes. That keeps
//! the tables of records readable, and filling one in is a single pass without allocation: the
//! generator also feeds benchmarks, so it must be much faster than what it measures. Keys are
//! looked up in what every record may use (time, person, place, address, random ids) and then in
//! the record's own values, which are templates themselves.

use base::Timestamp;

use crate::{
    cast::{Address, Person, Place},
    random::Random,
};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Who does something, when and from where: what a record is filled in with.
#[derive(Debug)]
pub(crate) struct Scene<'r> {
    pub(crate) random: &'r mut Random,
    pub(crate) time: Timestamp,
    pub(crate) person: &'static Person,
    pub(crate) place: &'static Place,
    /// The address that the source sees.
    pub(crate) address: Address,
    /// The machine that the record is about.
    pub(crate) host: Host,
    /// Counts the records.
    pub(crate) number: u64,
}

/// The machine that a record is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Host {
    /// The person's workstation.
    Workstation,
    /// A server by name.
    Server(&'static str),
}

/// A record's own values by key; the first of a key counts.
pub(crate) type Values<'v> = &'v [(&'v str, &'v str)];

/// Templates within templates go no deeper than this.
const DEPTH_MAX: u32 = 4;

impl Scene<'_> {
    /// Writes `template` with its places filled in.
    pub(crate) fn write(&mut self, template: &str, values: Values<'_>, out: &mut String) {
        self.write_at(template, values, 0, out);
    }

    fn write_at(&mut self, template: &str, values: Values<'_>, depth: u32, out: &mut String) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('<') {
            out.push_str(before);
            let Some((key, after)) = after.split_once('>') else {
                debug_assert!(false, "unclosed `<` in {template}");
                return;
            };
            if let Some((name, argument)) = key.split_once(':') {
                self.write_random(name, argument, out);
            } else if !self.write_common(key, out) {
                let value = values.iter().find(|(name, _)| *name == key);
                debug_assert!(value.is_some() && depth < DEPTH_MAX, "no value for <{key}>");
                if let Some((_, value)) = value.filter(|_| depth < DEPTH_MAX) {
                    self.write_at(value, values, depth + 1, out);
                }
            }
            rest = after;
        }
        out.push_str(rest);
    }

    /// Keys with an argument are random: `<hex:8>`, `<HEX:8>`, `<base32:16>`, `<below:100>`,
    /// `<pick:one|two>`.
    fn write_random(&mut self, name: &str, argument: &str, out: &mut String) {
        let number: u64 = argument.parse().unwrap_or(0);
        let count = usize::try_from(number).unwrap_or(0);
        match name {
            "hex" => self.random.write_hex(count, out),
            "HEX" => {
                let from = out.len();
                self.random.write_hex(count, out);
                if let Some(tail) = out.get_mut(from..) {
                    tail.make_ascii_uppercase();
                }
            }
            "base32" => self.random.write_base32(count, out),
            "below" => write_number(self.random.below(number), out),
            "pick" => {
                let count = argument.split('|').count();
                let index = self.random.index(count);
                out.push_str(argument.split('|').nth(index).unwrap_or_default());
            }
            _ => debug_assert!(false, "no random value `{name}`"),
        }
    }

    fn write_common(&mut self, key: &str, out: &mut String) -> bool {
        match key {
            "iso" => write_date_time(self.time, 'T', 0, "Z", out),
            "iso_ms" => write_date_time(self.time, 'T', 3, "Z", out),
            "session_iso" => {
                let minutes = i64::try_from(5 + self.random.below(80)).unwrap_or(5);
                let start = self.time.plus_micros(-60_000_000 * minutes);
                write_date_time(start, 'T', 0, "Z", out);
            }
            "utc_ms" => write_date_time(self.time, ' ', 3, "", out),
            "utc" => write_date_time(self.time, ' ', 0, "", out),
            "clf" => write_clf(self.time, out),
            "bsd" => write_bsd(self.time, out),
            "uuid" => self.write_uuid(out),
            "number" => write_number(self.number, out),
            _ => return self.write_cast(key, out),
        }
        true
    }

    fn write_cast(&mut self, key: &str, out: &mut String) -> bool {
        let (person, place) = (self.person, self.place);
        match key {
            "ip" => write_address(self.address, out),
            "inside_ip" => write_address(person.inside(), out),
            "name" => out.push_str(person.name),
            "login" => out.push_str(person.login),
            "email" => {
                out.push_str(person.login);
                out.push_str("@larkspur.example");
            }
            "person" => write_padded(i64::from(person.number), 3, out),
            "sid" => {
                out.push_str("S-1-5-21-3841092714-2750139846-1190467325-");
                write_number(u64::from(person.number) + 1100, out);
            }
            "host" => match self.host {
                Host::Server(name) => out.push_str(name),
                Host::Workstation => {
                    out.push_str("LKS-WS");
                    write_padded(i64::from(person.number), 3, out);
                }
            },
            "city" => out.push_str(place.city),
            "state" => out.push_str(place.state),
            "country" => out.push_str(place.country),
            "postal" => out.push_str(place.postal),
            "lat" => out.push_str(place.lat),
            "lon" => out.push_str(place.lon),
            _ => return false,
        }
        true
    }

    /// A random UUID of version 4.
    fn write_uuid(&mut self, out: &mut String) {
        self.random.write_hex(8, out);
        out.push('-');
        self.random.write_hex(4, out);
        out.push_str("-4");
        self.random.write_hex(3, out);
        out.push_str("-a");
        self.random.write_hex(3, out);
        out.push('-');
        self.random.write_hex(12, out);
    }
}

/// `2026-11-24T08:00:00.123Z`, with 0 or 3 digits of fraction.
fn write_date_time(time: Timestamp, middle: char, digits: usize, zone: &str, out: &mut String) {
    let (year, month, day) = time.day().to_civil();
    write_padded(i64::from(year), 4, out);
    out.push('-');
    write_padded(i64::from(month), 2, out);
    out.push('-');
    write_padded(i64::from(day), 2, out);
    out.push(middle);
    write_clock(time, out);
    if digits > 0 {
        out.push('.');
        write_padded(time.as_micros().rem_euclid(1_000_000) / 1000, digits, out);
    }
    out.push_str(zone);
}

fn write_clock(time: Timestamp, out: &mut String) {
    let seconds = time.as_micros().div_euclid(1_000_000).rem_euclid(86_400);
    write_padded(seconds / 3600, 2, out);
    out.push(':');
    write_padded(seconds / 60 % 60, 2, out);
    out.push(':');
    write_padded(seconds % 60, 2, out);
}

/// The time as nginx and Apache write it: `24/Nov/2026:08:00:00 +0000`.
fn write_clf(time: Timestamp, out: &mut String) {
    let (year, month, day) = time.day().to_civil();
    write_padded(i64::from(day), 2, out);
    out.push('/');
    out.push_str(month_name(month));
    out.push('/');
    write_padded(i64::from(year), 4, out);
    out.push(':');
    write_clock(time, out);
    out.push_str(" +0000");
}

/// The time as RFC 3164 has it: `Nov  4 08:00:00`.
fn write_bsd(time: Timestamp, out: &mut String) {
    let (_, month, day) = time.day().to_civil();
    out.push_str(month_name(month));
    out.push_str(if day < 10 { "  " } else { " " });
    write_padded(i64::from(day), 1, out);
    out.push(' ');
    write_clock(time, out);
}

fn month_name(month: i32) -> &'static str {
    let index = usize::try_from(month - 1).unwrap_or(0);
    MONTHS.get(index).copied().unwrap_or("Jan")
}

fn write_address(address: Address, out: &mut String) {
    for (index, part) in address.into_iter().enumerate() {
        if index > 0 {
            out.push('.');
        }
        write_number(u64::from(part), out);
    }
}

fn write_number(number: u64, out: &mut String) {
    write_padded(i64::try_from(number).unwrap_or(i64::MAX), 1, out);
}

/// Writes a number that is not negative with at least `width` digits.
fn write_padded(number: i64, width: usize, out: &mut String) {
    let (mut rest, mut digits, mut count) = (number.unsigned_abs(), [b'0'; 20], 0);
    for slot in digits.iter_mut().rev() {
        if rest == 0 && count >= width {
            break;
        }
        *slot = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or(0));
        (rest, count) = (rest / 10, count + 1);
    }
    for digit in digits.iter().skip(digits.len() - count) {
        out.push(char::from(*digit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cast;

    fn written(template: &str, values: Values<'_>) -> String {
        let mut scene = Scene {
            random: &mut Random::new(1),
            time: Timestamp::parse("2026-11-04T08:05:09.012345Z").unwrap(),
            person: &cast::ADMIN,
            place: &cast::FAR_AWAY,
            address: cast::ATTACKER,
            host: Host::Workstation,
            number: 41,
        };
        let mut out = String::new();
        scene.write(template, values, &mut out);
        out
    }

    #[test]
    fn times_are_written_as_the_products_write_them() {
        assert_eq!(written("<iso> <iso_ms>", &[]), "2026-11-04T08:05:09Z 2026-11-04T08:05:09.012Z");
        assert_eq!(written("<utc_ms>|<utc>", &[]), "2026-11-04 08:05:09.012|2026-11-04 08:05:09");
        assert_eq!(written("<clf>|<bsd>", &[]), "04/Nov/2026:08:05:09 +0000|Nov  4 08:05:09");
    }

    #[test]
    fn people_and_places_are_filled_in() {
        assert_eq!(
            written("<name> <email> <ip> <host> <country> <number>", &[]),
            "Mira Kovalenko mira.kovalenko@larkspur.example 203.0.113.66 LKS-WS007 Seychelles 41"
        );
    }

    #[test]
    fn values_are_templates() {
        assert_eq!(written("[<a>]", &[("a", "x<b>x"), ("b", "<login>")]), "[xmira.kovalenkox]");
        assert!(["one", "two"].contains(&written("<pick:one|two>", &[]).as_str()));
        assert_eq!(written("<hex:3><base32:17>", &[]).len(), 20);
        assert_eq!(written("<uuid>", &[]).len(), 36);
    }
}
