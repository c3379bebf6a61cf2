//! What kind of file system a path is on, and whether that is the machine's memory: what is written
//! there does not survive the machine, whatever is synced.

use std::fs;
use std::path::{Path, PathBuf};

/// A file system, as far as the operating system tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSystem {
    /// Its kind, such as `ext4`; empty where the system does not tell.
    pub kind: String,
    /// Whether all that it holds is in memory.
    pub in_memory: bool,
}

/// Those that keep files in memory.
const IN_MEMORY: [&str; 5] = ["tmpfs", "ramfs", "devtmpfs", "rootfs", "hugetlbfs"];
/// Block devices that do.
const MEMORY_DEVICES: [&str; 2] = ["/dev/ram", "/dev/zram"];

impl FileSystem {
    /// That of a path, which need not be there yet.
    #[must_use]
    pub fn of(path: &Path) -> FileSystem {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        FileSystem::among(&mounts, path)
    }

    fn among(mounts: &str, path: &Path) -> FileSystem {
        let there = path
            .ancestors()
            .map(|path| match path.as_os_str().is_empty() {
                true => Path::new("."),
                false => path,
            })
            .find_map(|path| fs::canonicalize(path).ok());
        let Some(there) = there else {
            return FileSystem::default();
        };
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        // Of two mounts at one place, the later one is seen.
        let innermost = |path: &Path| {
            let around = mounts.iter().filter(|mount| path.starts_with(&mount.point));
            around.max_by_key(|mount| mount.point.as_os_str().len())
        };
        let Some(mount) = innermost(&there) else {
            return FileSystem::default();
        };
        // An overlay writes to its upper layer, if that can be seen from here: in a container it
        // cannot.
        let upper = mount.upper.as_deref().filter(|upper| upper.exists());
        let upper = upper.and_then(innermost);
        FileSystem {
            kind: match upper {
                Some(upper) => format!("{} on {}", mount.kind, upper.kind),
                None => mount.kind.to_owned(),
            },
            in_memory: upper.unwrap_or(mount).is_in_memory(),
        }
    }

    /// What whoever keeps a log there should know, if all of it is in memory.
    #[must_use]
    pub fn caution(&self, directory: &Path) -> Option<String> {
        self.in_memory.then(|| {
            format!(
                "The log in '{}' is on {}, in the machine's memory: nothing there survives the \
                 machine, and a sync costs next to nothing.",
                directory.display(),
                self.kind
            )
        })
    }
}

/// A line of `/proc/self/mounts`.
struct Mount<'a> {
    device: &'a str,
    point: PathBuf,
    kind: &'a str,
    upper: Option<PathBuf>,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let mut fields = line.split(' ');
        let (device, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let options = fields.next().unwrap_or_default().split(',');
        let upper = options
            .filter_map(|option| option.strip_prefix("upperdir="))
            .next();
        Some(Mount {
            device,
            point: plain(point),
            kind,
            upper: upper.map(plain),
        })
    }

    fn is_in_memory(&self) -> bool {
        let mut devices = MEMORY_DEVICES.iter();
        IN_MEMORY.contains(&self.kind) || devices.any(|device| self.device.starts_with(device))
    }
}

/// A path as it is: the system writes spaces and the like as `\040`.
fn plain(written: &str) -> PathBuf {
    let mut path = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('\\') {
        path.push_str(before);
        let code = after
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                path.push(char::from(code));
                rest = &after[3..];
            }
            None => {
                path.push('\\');
                rest = after;
            }
        }
    }
    path.push_str(rest);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_file_system_is_known_behind_an_overlay_too() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let at = |name: &str| root.join(name).display().to_string();
        for name in ["shm", "disk", "over", "of disk", "zram"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        let mounts = format!(
            "/dev/vda / ext4 rw,relatime 0 0\n\
             none {shm} ext4 rw 0 0\n\
             tmpfs {shm} tmpfs rw,size=1k 0 0\n\
             overlay {over} overlay rw,lowerdir=/x,upperdir={shm}/up,workdir=/y 0 0\n\
             overlay {disk} overlay rw,upperdir=/nowhere/to/be/seen 0 0\n\
             overlay {of_disk} overlay rw,upperdir={disk} 0 0\n\
             /dev/zram0 {zram} ext4 rw 0 0\n",
            shm = at("shm"),
            over = at("over"),
            disk = at("disk"),
            of_disk = at("of\\040disk"),
            zram = at("zram"),
        );
        fs::create_dir(root.join("shm/up")).unwrap();
        for (path, kind, in_memory) in [
            ("shm", "tmpfs", true),
            ("shm/not/there/yet", "tmpfs", true),
            ("over/log", "overlay on tmpfs", true),
            ("disk/log", "overlay", false),
            ("of disk/log", "overlay on overlay", false),
            ("zram", "ext4", true),
            ("elsewhere", "ext4", false),
        ] {
            let found = FileSystem::among(&mounts, &root.join(path));
            assert_eq!((&*found.kind, found.in_memory), (kind, in_memory), "{path}");
            assert_eq!(found.caution(Path::new("log")).is_some(), in_memory);
        }
        assert_eq!(FileSystem::among("", &root), FileSystem::default());
    }
}
