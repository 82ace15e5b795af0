//! The company and its people: Larkspur Robotics, forty people in Utrecht, Portland and at home.
//!
//! Everybody and everything is invented. Outside addresses are from the ranges that RFC 5737 keeps
//! for documentation, names end in `.example` (RFC 2606), and the AWS account ids are those of
//! Amazon's own documentation.

use crate::random::Random;

/// An IPv4 address.
pub(crate) type Address = [u8; 4];

/// Where somebody is, as Okta's geolocation would say.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) city: &'static str,
    pub(crate) state: &'static str,
    pub(crate) country: &'static str,
    pub(crate) postal: &'static str,
    pub(crate) lat: &'static str,
    pub(crate) lon: &'static str,
}

/// Somebody at the company, or the person that an attacker pretends to be.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) login: &'static str,
    /// Counts from 1; the workstation, the SID and the home address follow from it.
    pub(crate) number: u8,
    pub(crate) base: Base,
}

/// Where a person works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Utrecht,
    Portland,
    Home,
}

pub(crate) const UTRECHT: Place = Place {
    city: "Utrecht",
    state: "Utrecht",
    country: "Netherlands",
    postal: "3511",
    lat: "52.0908",
    lon: "5.1222",
};
pub(crate) const PORTLAND: Place = Place {
    city: "Portland",
    state: "Oregon",
    country: "United States",
    postal: "97205",
    lat: "45.5202",
    lon: "-122.6742",
};
pub(crate) const HOME: Place = Place {
    city: "Hanover",
    state: "Lower Saxony",
    country: "Germany",
    postal: "30159",
    lat: "52.3744",
    lon: "9.7386",
};
/// Where the stolen session comes from.
pub(crate) const FAR_AWAY: Place = Place {
    city: "Victoria",
    state: "English River",
    country: "Seychelles",
    postal: "",
    lat: "-4.6167",
    lon: "55.4500",
};

/// Where the attacker's sessions come from.
pub(crate) const ATTACKER: Address = [203, 0, 113, 66];
/// Where the attacker's scanner runs.
pub(crate) const SCANNER: Address = [203, 0, 113, 77];

const fn person(number: u8, name: &'static str, login: &'static str, base: Base) -> Person {
    Person { name, login, number, base }
}

/// Administers Okta and AWS; her session is the one that is stolen.
pub(crate) const ADMIN: Person = person(7, "Mira Kovalenko", "mira.kovalenko", Base::Utrecht);
/// Works in finance and opens the attachment.
pub(crate) const CLERK: Person = person(17, "Tobias Okafor", "tobias.okafor", Base::Utrecht);

/// Everybody.
pub(crate) const PEOPLE: [Person; 40] = [
    person(1, "Ada Birch", "ada.birch", Base::Portland),
    person(2, "Anselm Vries", "anselm.vries", Base::Utrecht),
    person(3, "Beatriz Salgado", "beatriz.salgado", Base::Home),
    person(4, "Bram Hofstede", "bram.hofstede", Base::Utrecht),
    person(5, "Chidi Nwosu", "chidi.nwosu", Base::Portland),
    person(6, "Clara Lindqvist", "clara.lindqvist", Base::Utrecht),
    ADMIN,
    person(8, "Daniel Achterberg", "daniel.achterberg", Base::Utrecht),
    person(9, "Dorothea Weiss", "dorothea.weiss", Base::Home),
    person(10, "Eamon Gallagher", "eamon.gallagher", Base::Portland),
    person(11, "Elif Demir", "elif.demir", Base::Utrecht),
    person(12, "Farah Haddad", "farah.haddad", Base::Utrecht),
    person(13, "Felix Brandt", "felix.brandt", Base::Home),
    person(14, "Grace Whitfield", "grace.whitfield", Base::Portland),
    person(15, "Hana Sato", "hana.sato", Base::Portland),
    person(16, "Hugo Martens", "hugo.martens", Base::Utrecht),
    CLERK,
    person(18, "Ines Carvalho", "ines.carvalho", Base::Home),
    person(19, "Ivo Petrov", "ivo.petrov", Base::Utrecht),
    person(20, "Jamal Rivers", "jamal.rivers", Base::Portland),
    person(21, "Jonna Virtanen", "jonna.virtanen", Base::Home),
    person(22, "Kaito Mori", "kaito.mori", Base::Portland),
    person(23, "Katrijn Bos", "katrijn.bos", Base::Utrecht),
    person(24, "Leila Farouk", "leila.farouk", Base::Utrecht),
    person(25, "Lucas Meyer", "lucas.meyer", Base::Home),
    person(26, "Maeve Donnelly", "maeve.donnelly", Base::Portland),
    person(27, "Marek Zielinski", "marek.zielinski", Base::Utrecht),
    person(28, "Nadia Rahman", "nadia.rahman", Base::Portland),
    person(29, "Nils Aalto", "nils.aalto", Base::Home),
    person(30, "Odette Laurent", "odette.laurent", Base::Utrecht),
    person(31, "Oscar Lund", "oscar.lund", Base::Utrecht),
    person(32, "Priya Raman", "priya.raman", Base::Portland),
    person(33, "Quentin Moreau", "quentin.moreau", Base::Home),
    person(34, "Rosa Jimenez", "rosa.jimenez", Base::Portland),
    person(35, "Ruben Kuipers", "ruben.kuipers", Base::Utrecht),
    person(36, "Saskia de Wit", "saskia.dewit", Base::Utrecht),
    person(37, "Theo Papadakis", "theo.papadakis", Base::Home),
    person(38, "Uma Iyer", "uma.iyer", Base::Portland),
    person(39, "Wouter Smit", "wouter.smit", Base::Utrecht),
    person(40, "Yara Benali", "yara.benali", Base::Utrecht),
];

/// Servers that run Windows.
pub(crate) const WINDOWS_SERVERS: [&str; 3] = ["LKS-DC01", "LKS-FS01", "LKS-PRINT01"];
/// Servers that take ssh.
pub(crate) const SSH_SERVERS: [&str; 5] =
    ["bastion-01", "build-01", "build-02", "telemetry-01", "telemetry-02"];

impl Person {
    pub(crate) const fn place(&self) -> &'static Place {
        match self.base {
            Base::Utrecht => &UTRECHT,
            Base::Portland => &PORTLAND,
            Base::Home => &HOME,
        }
    }

    /// The address under which the world sees the person.
    pub(crate) const fn egress(&self) -> Address {
        match self.base {
            Base::Utrecht => [192, 0, 2, 10],
            Base::Portland => [192, 0, 2, 20],
            Base::Home => [192, 0, 2, 100 + self.number],
        }
    }

    /// The address of the person's workstation inside the company.
    pub(crate) const fn inside(&self) -> Address {
        [10, 20, 8, 20 + self.number]
    }
}

/// Some visitor of the web site: never one of the attacker's addresses, nor the company's.
pub(crate) fn visitor(random: &mut Random) -> Address {
    match random.below(3) {
        0 => [203, 0, 113, random.byte(1, 49)],
        _ => [198, 51, 100, random.byte(1, 254)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_numbered_and_distinct() {
        for (index, person) in PEOPLE.iter().enumerate() {
            assert_eq!(usize::from(person.number), index + 1, "{}", person.name);
            assert!(PEOPLE.iter().filter(|other| other.login == person.login).count() == 1);
        }
    }
}
