//! What the user calls A and B: an executable, a revision of this repository, or its working tree.
//! Resolving a name builds and runs nothing, so that a typing error is heard at once.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
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
    /// [`Failure::BadInput`] if it is neither, or a file that may not be executed.
    pub fn resolve(side: &str, name: &str, interrupt: &Interrupt) -> Result<Self, Failure> {
        let kind = match std::fs::metadata(name) {
            Ok(metadata) if metadata.is_file() => executable(side, name, &metadata)?,
            Ok(_) => revision(
                side,
                name,
                "is a directory, not a loadgen executable",
                interrupt,
            )?,
            Err(_) => revision(side, name, "is no file", interrupt)?,
        };
        Ok(Self {
            name: name.to_owned(),
            kind,
        })
    }

    /// The path of the executable, built first where that is needed.
    ///
    /// # Errors
    /// The build's failure with its output, or an interrupt.
    pub fn executable(
        &self,
        product: Product,
        interrupt: &Interrupt,
        progress: &Progress,
    ) -> Result<PathBuf, Failure> {
        match &self.kind {
            Kind::Executable(path) => Ok(path.clone()),
            Kind::Revision { commit, repository } => {
                repository.build_commit(&self.name, commit, product, interrupt, progress)
            }
            Kind::WorkingTree(repository) => {
                repository.build_working_tree(product, interrupt, progress)
            }
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
}

fn executable(side: &str, name: &str, metadata: &Metadata) -> Result<Kind, Failure> {
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(Failure::BadInput(format!(
            "{side}: {name:?} is not executable: it has no execute permission"
        )));
    }
    Ok(Kind::Executable(PathBuf::from(name)))
}

fn revision(side: &str, name: &str, as_file: &str, stop: &Interrupt) -> Result<Kind, Failure> {
    let repository = match Repository::of_current_directory(stop)? {
        Ok(repository) => repository,
        Err(refused) => {
            return Err(Failure::BadInput(format!(
                "{side}: {name:?} {as_file}, and git has no repository for us here to look for a \
                 revision of that name{}",
                refused.said()
            )));
        }
    };
    if name == WORKTREE {
        return Ok(Kind::WorkingTree(repository));
    }
    match repository.commit_of(name, stop)? {
        Ok(commit) => Ok(Kind::Revision { commit, repository }),
        Err(refused) => {
            let cure = match repository.is_shallow(stop)? {
                true => {
                    "\nThis clone is shallow, and lacks older commits and other branches: \
                         `git fetch --unshallow` brings them (actions/checkout: `fetch-depth: 0`)"
                }
                false => "",
            };
            Err(Failure::BadInput(format!(
                "{side}: {name:?} {as_file}, and no revision of this repository{}{cure}",
                refused.said()
            )))
        }
    }
}
