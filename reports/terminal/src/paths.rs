//! The paths of one command: what it reads, what it writes, and where its own folders are. Refuses
//! an output that is an input or another output, before anything is written.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a command does with what is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Reads,
    Writes,
    /// The program's own folder, in which nobody else writes.
    Owns,
}

/// A command's paths, each with the option that names it.
#[derive(Clone, Debug, Default)]
pub struct Paths<'a>(Vec<(Use, &'a str, &'a Path)>);

impl<'a> Paths<'a> {
    /// With a file or folder that the command reads, if it was given.
    #[must_use]
    pub fn reads(self, option: &'a str, path: Option<&'a Path>) -> Self {
        // To some commands `-` is standard input, whatever file that is.
        let stdin = path.filter(|path| *path == Path::new("-"));
        let stdin = stdin.map(|_| Path::new("/dev/stdin"));
        self.with(Use::Reads, option, stdin)
            .with(Use::Reads, option, path)
    }

    /// With a file that it writes, if it was given.
    #[must_use]
    pub fn writes(self, option: &'a str, path: Option<&'a Path>) -> Self {
        self.with(Use::Writes, option, path)
    }

    /// With a folder that is the program's own, if it was given.
    #[must_use]
    pub fn owns(self, option: &'a str, path: Option<&'a Path>) -> Self {
        self.with(Use::Owns, option, path)
    }

    fn with(mut self, used: Use, option: &'a str, path: Option<&'a Path>) -> Self {
        self.0.extend(path.map(|path| (used, option, path)));
        self
    }

    /// Whether every output is a file of its own, outside of the program's folders: of this
    /// command, of a durable run, or of an audit log.
    ///
    /// # Errors
    /// A text that names both options.
    pub fn check(&self) -> Result<(), String> {
        for (at, &(used, option, path)) in self.0.iter().enumerate() {
            if used == Use::Reads {
                continue;
            }
            if !self.is_part(used, option, path)
                && let Some((folder, what)) = stored(path)
            {
                return Err(format!(
                    "{option} {}: expected a {} outside of {}, {what}",
                    path.display(),
                    if used == Use::Owns { "folder" } else { "file" },
                    folder.display()
                ));
            }
            let others = self.0.iter().enumerate().filter(|(other, _)| *other != at);
            for (_, &(other_used, other_option, other)) in others {
                if is_same(path, other) {
                    return Err(format!(
                        "{option} {}: {other_option} names the same {}; expected another one",
                        path.display(),
                        if used == Use::Owns { "folder" } else { "file" },
                    ));
                }
                if other_used == Use::Owns && used == Use::Writes && is_within(other, path) {
                    return Err(format!(
                        "{option} {}: expected a file, and {other_option} {} lies in it",
                        path.display(),
                        other.display()
                    ));
                }
                if other_used == Use::Owns && option != other_option && is_within(path, other) {
                    return Err(format!(
                        "{option} {}: expected a {} outside of {other_option} {}",
                        path.display(),
                        if used == Use::Owns { "folder" } else { "file" },
                        other.display()
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Paths<'_> {
    /// Whether it is a part of another folder that the option names, wherever it leads: a durable
    /// run's log in the run's own directory.
    fn is_part(&self, used: Use, option: &str, path: &Path) -> bool {
        let mut same = self.0.iter().filter(|(_, by, _)| *by == option);
        used == Use::Owns && same.any(|(.., other)| path != *other && path.starts_with(other))
    }
}

/// Where a path leads, links followed as far as something is there; none if what follows then leads
/// back.
fn resolved(path: &Path) -> Option<PathBuf> {
    if let Ok(there) = fs::canonicalize(path) {
        return Some(there);
    }
    let name = path.file_name()?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => resolved(folder)?,
        _ => fs::canonicalize(".").ok()?,
    };
    Some(folder.join(name))
}

/// Whether what is written at one of the paths is at the other. A device or a pipe takes what
/// comes, whoever writes it.
fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => {
            (one.is_file() || one.is_dir()) && identity(&one) == identity(&other)
        }
        (Err(_), Err(_)) => {
            one == other || resolved(one).is_some_and(|one| resolved(other) == Some(one))
        }
        _ => false,
    }
}

/// The folder of a stored run that a path leads into, and what that is: a durable run's directory,
/// whose log has this header, in this folder; or an audit log with a manifest, beside Layer 1's
/// first segment.
fn stored(path: &Path) -> Option<(PathBuf, &'static str)> {
    let resolved = resolved(path)?;
    let is_audit_log = |folder: &&Path| {
        ["audit.toml", "l1-000000.audit"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    if let Some(folder) = resolved.ancestors().skip(1).find(is_audit_log) {
        return Some((folder.to_owned(), "the folder of an audit log"));
    }
    durable_run(&resolved).map(|directory| (directory, "the directory of a durable run"))
}

fn durable_run(resolved: &Path) -> Option<PathBuf> {
    // The log's own folder may be a link to anywhere.
    if let Some(log) = resolved
        .parent()
        .filter(|log| log.join("log.meta").is_file())
        && log.file_name().is_none_or(|name| name != "log")
    {
        return Some(log.to_owned());
    }
    let mut folders = resolved
        .ancestors()
        .skip(1)
        .filter(|folder| folder.join("log/log.meta").is_file());
    folders.next().map(Path::to_owned)
}

/// By which the system knows a file, whatever its names.
fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Whether a path leads into a folder, by whatever way.
fn is_within(path: &Path, folder: &Path) -> bool {
    let (Some(path), Some(folder)) = (resolved(path), resolved(folder)) else {
        return false;
    };
    path != folder && path.starts_with(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_in_no_durable_run() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("run/log")).unwrap();
        let check = |name: &str| {
            let path = at(name);
            let writes = Paths::default().writes("--out", Some(&path)).check();
            let owns = Paths::default().owns("--audit-log", Some(&path)).check();
            assert_eq!(writes.is_err(), owns.is_err(), "{name}");
            writes
        };
        assert_eq!(check("run/run.json"), Ok(()), "there is no log yet");
        fs::write(at("run/log/log.meta"), "").unwrap();
        for (name, is_in) in [
            ("run/run.json", true),
            ("run/new", true),
            ("run/log/log.meta", true),
            ("run/log/some/where/deep", true),
            ("run/../new", false),
            ("new", false),
        ] {
            assert_eq!(check(name).is_err(), is_in, "{name}");
        }
        let said = check("run/new").unwrap_err();
        assert!(said.ends_with("the directory of a durable run"), "{said}");
        // The run itself goes on, and is no place for another.
        let (run, log, other) = (at("run"), at("run/log"), at("run/other"));
        let paths = Paths::default().owns("--log-dir", Some(&run));
        assert_eq!(paths.clone().owns("--log-dir", Some(&log)).check(), Ok(()));
        let other = Paths::default().owns("--log-dir", Some(&other));
        assert!(other.check().is_err());
        fs::create_dir(at("audit")).unwrap();
        fs::write(at("audit/audit.toml"), "").unwrap();
        assert_eq!(check("audit/new"), Ok(()), "the file is somebody else's");
        fs::write(at("audit/l1-000000.audit"), "").unwrap();
        for name in ["audit/audit.toml", "audit/new", "audit/some/where"] {
            let said = check(name).unwrap_err();
            assert!(said.ends_with("the folder of an audit log"), "{said}");
        }
        assert_eq!(check("audit"), Ok(()), "which is refused where it is made");
        // A log's folder may be a link, to a folder of the same name too.
        fs::create_dir(at("begun")).unwrap();
        std::os::unix::fs::symlink(at("run/log"), at("begun/log")).unwrap();
        let (begun, log) = (at("begun"), at("begun/log"));
        let paths = Paths::default().owns("--log-dir", Some(&begun));
        assert_eq!(paths.owns("--log-dir", Some(&log)).check(), Ok(()));
        fs::create_dir(at("far")).unwrap();
        fs::write(at("far/log.meta"), "").unwrap();
        assert!(check("far/log.meta").is_err() && check("far/new").is_err());
    }

    #[test]
    fn an_output_is_no_input_and_no_other_output() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("log")).unwrap();
        for name in ["there", "other", "log/in"] {
            fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink(at("there"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("log"), at("way")).unwrap();
        fs::hard_link(at("there"), at("second")).unwrap();
        let table = [
            // What is read, what is written, which folder is the program's; what is wrong.
            ("there", "other", "log", None),
            ("there", "new", "log", None),
            ("there", "there", "log", Some("--out")),
            (
                "there",
                "log/../there",
                "log",
                Some("--in names the same file"),
            ),
            ("there", "link", "log", Some("--in names the same file")),
            ("there", "second", "log", Some("--in names the same file")),
            ("new", "new", "log", Some("--in names the same file")),
            ("there", "log/new", "log", Some("outside of --dir")),
            ("there", "way/new", "log", Some("outside of --dir")),
            ("there", "log", "log", Some("names the same")),
            ("log/in", "other", "log", None),
            ("there", "nowhere/new", "log", None),
            ("there", "nowhere", "nowhere/log", Some("lies in it")),
            ("there", "no/where/in", "no/where", Some("outside of --dir")),
        ];
        for (reads, writes, owns, wrong) in table {
            let (reads, writes, owns) = (at(reads), at(writes), at(owns));
            let checked = Paths::default()
                .reads("--in", Some(&reads))
                .writes("--out", Some(&writes))
                .owns("--dir", Some(&owns))
                .check();
            match (wrong, checked) {
                (None, checked) => assert_eq!(checked, Ok(()), "{writes:?}"),
                (Some(words), Ok(())) => panic!("{writes:?}: {words}"),
                (Some(words), Err(error)) => assert!(error.contains(words), "{error}"),
            }
        }
    }

    #[test]
    fn two_outputs_are_two_files_and_a_device_takes_both() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        for (one, other, is_fine) in [
            (&*new, &*new, false),
            (Path::new("/dev/null"), Path::new("/dev/null"), true),
        ] {
            let paths = Paths::default();
            let paths = paths
                .writes("--out", Some(one))
                .writes("--acks", Some(other));
            assert_eq!(paths.check().is_ok(), is_fine, "{one:?}");
        }
        assert_eq!(Paths::default().writes("--out", None).check(), Ok(()));
    }
}
