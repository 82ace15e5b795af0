//! The demo's project: what a user would write by hand.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base::{Clock as _, Problem, SystemClock};

use crate::settings::SettingsError;

/// A file that says that the folder is the demo's, and may be made anew.
const MARKER: &str = ".dab-demo";

/// The project, made.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) config: PathBuf,
    pub(super) incoming: PathBuf,
    pub(super) token: String,
}

const CONFIG: &str = "\
# The demo's settings: yours would look the same. `dab schema` describes every key.
version: 1
lake: ./lake
detections: [./detections]
listen: 127.0.0.1:0
collect:
  - {name: cloudtrail, log_source: aws_cloudtrail, from: ./incoming/cloudtrail, include: [\"**/*.json.gz\"], commit_seconds: 1}
  - {name: windows, log_source: windows_events, from: ./incoming/windows, commit_seconds: 1}
  - {name: nginx, log_source: nginx_access, from: ./incoming/nginx, commit_seconds: 1}
  - {name: sshd, log_source: linux_sshd, from: ./incoming/sshd, commit_seconds: 1}
ingest:
  tokens:
    - {name: demo, token: {file: ./token}, log_sources: [okta_system]}
";

/// Makes the project in `folder`; one that the demo made there before goes.
pub(super) fn make(folder: &Path) -> Result<Project, Problem> {
    let failed = |source: io::Error| SettingsError::Unreadable {
        path: folder.display().to_string(),
        source,
    };
    if holds_something_else(folder).map_err(failed)? {
        return Err(SettingsError::Value {
            message: format!("`{}` is not empty, and not the demo's", folder.display()),
            help: "name another folder with `--folder`".into(),
            path: folder.display().to_string(),
        }
        .into());
    }
    write(folder).map_err(|error| failed(error).into())
}

fn holds_something_else(folder: &Path) -> io::Result<bool> {
    if !folder.try_exists()? || folder.join(MARKER).try_exists()? {
        return Ok(false);
    }
    Ok(fs::read_dir(folder)?.next().is_some())
}

fn write(folder: &Path) -> io::Result<Project> {
    if folder.try_exists()? {
        fs::remove_dir_all(folder)?;
    }
    let incoming = folder.join("incoming");
    for name in ["cloudtrail", "windows", "nginx", "sshd"] {
        fs::create_dir_all(incoming.join(name))?;
    }
    fs::write(folder.join(MARKER), "made by `dab demo`, which makes it anew every time\n")?;
    for (path, text) in testkit::shipped_detections() {
        let path = folder.join("detections").join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    let token = format!("demo-{:x}", SystemClock.now().as_micros());
    fs::write(folder.join("token"), &token)?;
    let config = folder.join("dab.yaml");
    fs::write(&config, CONFIG)?;
    Ok(Project { config, incoming, token })
}
