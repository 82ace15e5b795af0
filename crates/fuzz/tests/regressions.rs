//! Whatever was found once stays mended, every seed passes, and the program says what it does.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use dab_fuzz::{Places, TARGETS, run_caught, seeds};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn what_was_found_is_mended() {
    let folder = root().join("fuzz/regressions");
    for target in TARGETS {
        let Ok(files) = std::fs::read_dir(folder.join(target.name)) else { continue };
        for file in files {
            let path = file.unwrap().path();
            let outcome = run_caught(target.run, &std::fs::read(&path).unwrap());
            assert_eq!(outcome, Ok(()), "{}", path.display());
        }
    }
}

#[test]
fn every_target_has_seeds_and_takes_them() {
    let places = Places { root: root(), corpora: None };
    for target in TARGETS {
        let seeds = seeds(target, &places).unwrap();
        assert!(seeds.len() > 4, "{} has {} seeds", target.name, seeds.len());
        // The program runs all of them, on every core; here it is enough that there are some of each kind.
        for seed in seeds.iter().step_by(seeds.len().div_ceil(50)) {
            let shown = String::from_utf8_lossy(seed);
            assert_eq!(run_caught(target.run, seed), Ok(()), "{}: {shown}", target.name);
        }
    }
}

#[test]
fn the_program_says_what_it_did() {
    let root = root();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dab-fuzz"));
        let output = command.args(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said.lines().last().unwrap_or_default().to_owned())
    };
    let (code, said) = run(&["json", root.to_str().unwrap(), "7", "0", "500", "2", "60"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(r#""inputs":500"#) && said.contains(r#""panics":0"#), "{said}");
    let (code, said) = run(&["list"]);
    assert_eq!(code, Some(0));
    assert!(TARGETS.iter().all(|target| said.contains(target.name)), "{said}");
    assert_eq!(run(&["nothing", ".", "1", "0", "1", "1", "60"]).0, Some(3));
}
