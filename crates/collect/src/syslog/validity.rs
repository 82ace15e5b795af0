//! Until when a certificate is good: the one thing of X.509 that is read here.
//!
//! [RFC 5280](https://www.rfc-editor.org/rfc/rfc5280#section-4.1): `Certificate` is a sequence of
//! `tbsCertificate` and two more; in that stand, after an optional version, a number, an algorithm and the issuer,
//! the two times of `validity`.

use base::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, the version.
const VERSION: u8 = 0xa0;

/// When the first certificate in PEM ends; `None` if that can't be read.
pub(super) fn ends(pem: &[u8]) -> Option<Timestamp> {
    let certificate = CertificateDer::pem_slice_iter(pem).next()?.ok()?;
    ends_der(&certificate)
}

fn ends_der(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut body, _) = element(certificate, SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        (_, body) = next(body)?;
    }
    // The serial number, the algorithm, the issuer.
    for _ in 0..3 {
        (_, body) = next(body)?;
    }
    let (validity, _) = element(body, SEQUENCE)?;
    let (_, not_after) = next(validity)?;
    let kind = *not_after.first()?;
    let (time, _) = next(not_after)?;
    let text = std::str::from_utf8(time).ok()?;
    match kind {
        // Two digits of the year: 1950 to 2049.
        UTC_TIME => {
            let century = if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" };
            read(&format!("{century}{text}"))
        }
        GENERALIZED_TIME => read(text),
        _ => None,
    }
}

/// `YYYYMMDDHHMMSSZ`.
fn read(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u32>().ok();
    let date = (i32::try_from(number(0, 4)?).ok()?, number(4, 6)?, number(6, 8)?);
    Timestamp::from_civil(date, (number(8, 10)?, number(10, 12)?, number(12, 14)?), 0)
}

/// The content of an element of this kind, and what follows it.
fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    if der.first() == Some(&kind) { next(der) } else { None }
}

/// The content of an element, and what follows it.
fn next(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.get(1..)?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // How many bytes of length follow: four are 4 GiB.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made for these tests, once for each form of time (`openssl x509 -enddate` says the same). The keys are gone.
    const UTC: &str = include_str!("tests/utc-time.pem");
    const GENERALIZED: &str = include_str!("tests/generalized-time.pem");

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms_of_time() {
        assert_eq!(ends(UTC.as_bytes()), Timestamp::parse("2027-02-03T04:05:06Z"));
        assert_eq!(ends(GENERALIZED.as_bytes()), Timestamp::parse("2051-12-31T23:59:59Z"));
        assert_eq!(ends(b"no certificate"), None);
    }

    #[test]
    fn times_that_are_none_are_not_guessed() {
        for text in ["20270203040506", "2027020304050Z", "20271303040506Z", "2027020304050xZ", "Z"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _end = ends_der(&bytes);
        }

        #[test]
        fn a_certificate_that_is_changed_panics_nowhere(at in 0..400_usize, byte in any::<u8>()) {
            let der = CertificateDer::pem_slice_iter(UTC.as_bytes()).next().unwrap().unwrap();
            let mut der = der.to_vec();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            let _end = ends_der(&der);
        }
    }
}
