//! `dab schema`: the settings' JSON schema, for editors.

pub(crate) fn run() -> u8 {
    crate::output::line(&crate::settings::schema());
    crate::FINE
}
