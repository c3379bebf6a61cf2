//! What the user calls A and B: an executable, a revision of this repository, or its working tree.
//! Resolving a name builds and runs nothing, so that a typing error is heard at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use duet_experiment::Failure;

use crate::operator::Operator;
use crate::revision::{Product, Repository};

/// The name that means the repository's uncommitted tree.
pub const WORKTREE: &str = "WORKTREE";

/// One side of a comparison.
#[derive(Debug, Clone)]
pub struct Subject {
    /// As the user wrote it.
    pub name: String,
    /// What it turned out to be.
    pub kind: Kind,
}

/// Where a subject's executable comes from.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A file that exists and may be executed.
    Executable(PathBuf),
    /// A commit, by its full name, to be built.
    Revision {
        /// Full hexadecimal name.
        commit: String,
        /// Where it lives.
        repository: Repository,
    },
    /// The tree as it is now, to be built in place.
    WorkingTree(Repository),
}

impl Subject {
    /// Finds out what `name` is. An existing file wins over a revision of the same name. `side`
    /// (`A` or `B`) is for messages.
    ///
    /// # Errors
    /// Bad input if it is neither, or a file that may not be executed.
    pub fn resolve(side: &str, name: &str, operator: &Operator<'_>) -> Result<Self, Failure> {
        let kind = match fs::metadata(name) {
            Ok(file) if file.is_file() && file.permissions().mode() & 0o111 == 0 => {
                return Err(Failure::bad_input(format!(
                    "{side}: {name:?} is not executable: it has no execute permission"
                )));
            }
            Ok(file) if file.is_file() => Kind::Executable(PathBuf::from(name)),
            Ok(_) => {
                let as_file = "is a directory, not a loadgen executable";
                revision(side, name, as_file, operator)?
            }
            Err(_) => revision(side, name, "is no file", operator)?,
        };
        let name = name.to_owned();
        Ok(Self { name, kind })
    }

    /// The path of the executable, built first where that is needed.
    ///
    /// # Errors
    /// The build's failure with its output, or an interrupt.
    pub fn executable(&self, product: Product, on: &Operator<'_>) -> Result<PathBuf, Failure> {
        match &self.kind {
            Kind::Executable(path) => Ok(path.clone()),
            Kind::Revision { commit, repository } => {
                repository.build_commit(&self.name, commit, product, on)
            }
            Kind::WorkingTree(repository) => repository.build_working_tree(product, on),
        }
    }

    /// One word for the kind, for reports.
    #[must_use]
    pub fn kind_word(&self) -> &'static str {
        match self.kind {
            Kind::Executable(_) => "executable",
            Kind::Revision { .. } => "revision",
            Kind::WorkingTree(_) => "working tree",
        }
    }

    /// The commit of a revision.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        match &self.kind {
            Kind::Revision { commit, .. } => Some(commit),
            Kind::Executable(_) | Kind::WorkingTree(_) => None,
        }
    }

    /// Its name, and which commit or what else that is.
    #[must_use]
    pub fn shown(&self) -> String {
        let what = match &self.kind {
            Kind::Revision { commit, .. } => {
                format!("revision {}", commit.get(..12).unwrap_or(commit))
            }
            _ => self.kind_word().to_owned(),
        };
        format!("{} ({what})", self.name)
    }
}

fn revision(side: &str, name: &str, as_file: &str, on: &Operator<'_>) -> Result<Kind, Failure> {
    let refused =
        |why: String| Failure::bad_input(format!("{side}: {name:?} {as_file}, and {why}"));
    let repository = match Repository::of_current_directory(on)? {
        Ok(repository) => repository,
        Err(said) => {
            return Err(refused(format!(
                "git has no repository for us here to look for a revision of that name{said}"
            )));
        }
    };
    if name == WORKTREE {
        return Ok(Kind::WorkingTree(repository));
    }
    match repository.commit_of(name, on)? {
        Ok(commit) => Ok(Kind::Revision { commit, repository }),
        Err(said) => {
            let cure = match repository.is_shallow(on)? {
                true => {
                    "\nThis clone is shallow, and lacks older commits and other branches: \
                     `git fetch --unshallow` brings them (actions/checkout: `fetch-depth: 0`)"
                }
                false => "",
            };
            Err(refused(format!(
                "no revision of this repository{said}{cure}"
            )))
        }
    }
}
