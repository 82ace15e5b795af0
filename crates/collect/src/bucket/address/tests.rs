//! What can be written as a location, and what comes of it.

use base::Explain as _;

use super::*;

fn parse(text: &str) -> Result<Location, CollectError> {
    Location::parse(text, FilePath::new("/srv/project"), &[])
}

#[test]
fn folders_and_buckets_are_understood() {
    for (text, address, prefix) in [
        ("./incoming/okta", "file:incoming/okta", "srv/project/incoming/okta"),
        ("incoming", "file:incoming", "srv/project/incoming"),
        ("incoming/", "file:incoming", "srv/project/incoming"),
        (".", "file:.", "srv/project"),
        ("../logs", "file:/srv/logs", "srv/logs"),
        ("a/../b", "file:b", "srv/project/b"),
        ("/var/log", "file:/var/log", "var/log"),
        ("/srv/project/in", "file:in", "srv/project/in"),
        ("/", "file:/", ""),
        ("file:///var/log%20files", "file:/var/log files", "var/log files"),
        ("100% of#it", "file:100% of#it", "srv/project/100% of#it"),
        ("s3://logs", "s3://logs", ""),
        ("s3://logs/", "s3://logs", ""),
        ("s3://logs/okta/2026/", "s3://logs/okta/2026", "okta/2026"),
    ] {
        let location = parse(text).unwrap();
        assert_eq!((location.address(), location.prefix().as_ref()), (address, prefix), "{text}");
    }
}

#[test]
fn addresses_of_objects_begin_with_the_location() {
    for (text, address) in [
        (".", "file:a/b.log"),
        ("in", "file:in/a/b.log"),
        ("/", "file:/a/b.log"),
        ("/var/log", "file:/var/log/a/b.log"),
        ("s3://logs", "s3://logs/a/b.log"),
        ("s3://logs/okta", "s3://logs/okta/a/b.log"),
    ] {
        assert_eq!(parse(text).unwrap().object_address("a/b.log"), address, "{text}");
    }
}

#[test]
fn mistakes_are_explained() {
    for (text, message) in [
        ("", "`` is no location to read from: it is empty"),
        (
            "ftp://logs",
            "`ftp://logs` is no location to read from: its scheme is none of `s3`, `gs`, `az`, `file`",
        ),
        (
            "file://var/log",
            "`file://var/log` is no location to read from: a file address has three slashes and a \
             full path",
        ),
        ("s3://", "`s3://` is no location to read from: `` is no name of a bucket"),
        ("s3://a b/c", "`s3://a b/c` is no location to read from: `a b` is no name of a bucket"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.code().0, error.to_string().as_str()), ("DAB0401", message));
        assert!(error.help().is_some());
    }
    assert_eq!(parse("s3://logs/a//b").unwrap_err().code().0, "DAB0401");
}

#[test]
fn other_clouds_have_options_of_their_own() {
    let parse = |text: &str, options: &[(&str, &str)]| {
        let options: Vec<_> = options.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Location::parse(text, FilePath::new("/srv"), &options)
    };
    let account = [("account_name", "dab"), ("account_key", "a2V5")];
    let azure = parse("az://logs/okta", &account).unwrap();
    assert_eq!((azure.address(), azure.prefix().as_ref()), ("az://logs/okta", "okta"));
    let google = parse("gs://logs/okta", &[("base_url", "http://127.0.0.1:1")]).unwrap();
    assert_eq!((google.address(), google.prefix().as_ref()), ("gs://logs/okta", "okta"));
    for (text, options, reason) in [
        ("az://logs", [("region", "x")], "Azure has no such option"),
        ("gs://logs", [("region", "x")], "Google Cloud Storage has no such option"),
    ] {
        let error = parse(text, &options).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert_eq!(parse("az://logs", &[]).unwrap_err().code().0, "DAB0402", "no account");
}

fn s3(options: &[(&str, &str)]) -> Result<Location, CollectError> {
    let options = options
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect::<Vec<_>>();
    Location::parse("s3://logs/okta", FilePath::new("/srv"), &options)
}

#[test]
fn the_s3_client_is_built_as_told() {
    let location = s3(&[
        ("endpoint", "http://localhost:4566"),
        ("region", "eu-central-1"),
        ("allow_http", "true"),
        ("aws_access_key_id", "AKIDEXAMPLE"),
        ("aws_secret_access_key", "not-to-be-shown"),
    ])
    .unwrap();
    let shown = format!("{:?}", location.store());
    for part in [
        "bucket: \"logs\"",
        "bucket_endpoint: \"http://localhost:4566/logs\"",
        "region: \"eu-central-1\"",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("not-to-be-shown"), "{shown}");
}

#[test]
fn unknown_options_and_values_are_refused_without_showing_secrets() {
    for (options, part) in [
        (&[("aws_acess_key_id", "SECRET")][..], "`aws_acess_key_id`"),
        (&[("virtual_hosted_style_request", "maybe")], "maybe"),
        (&[("allow_http", "maybe")], "maybe"),
        (&[("aws_secret_access_key", "SECRET")], ""),
    ] {
        let error = s3(options).unwrap_err();
        assert_eq!(error.code().0, "DAB0402");
        assert!(error.to_string().contains(part), "{error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}
