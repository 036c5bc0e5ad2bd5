//! Writing a whole folder to disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

/// How many files are written at once. Each waits for storage, on EFS some milliseconds, and takes no processor; a file
/// system also writes what is asked for at the same moment together. More than 16 were not faster.
const WRITERS: usize = 16;

/// Waits until everything in `folder` is on disk: files, and the folders that name them.
///
/// PostgreSQL's own `initdb` writes its thousand files one after the other. syncfs(2), which it offers instead, also waits
/// for whatever else is written on the same disk: a minute was seen.
///
/// # Errors
/// The first that reading a folder or writing a file gives.
pub(crate) fn write_to_disk(folder: &Path) -> io::Result<()> {
    let mut paths = Vec::new();
    collect(folder.to_owned(), &mut paths)?;
    let paths = Mutex::new(paths.into_iter());
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(|| write_each(&paths))).collect();
        writers.into_iter().try_for_each(|writer| {
            writer
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a writer failed")))
        })
    })
}

fn collect(folder: PathBuf, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    paths.push(folder);
    Ok(())
}

fn write_each(paths: &Mutex<impl Iterator<Item = PathBuf>>) -> io::Result<()> {
    loop {
        let next = paths.lock().map_err(|_| io::Error::other("a writer failed"))?.next();
        match next {
            Some(path) => File::open(path)?.sync_all()?,
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_of_nested_folders_are_found_with_the_folders_that_name_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("base/1")).unwrap();
        fs::write(folder.path().join("base/1/2619"), "a table").unwrap();
        fs::write(folder.path().join("PG_VERSION"), "17").unwrap();

        let mut paths = Vec::new();
        collect(folder.path().to_owned(), &mut paths).unwrap();

        let mut names: Vec<_> = paths
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["", "PG_VERSION", "base", "base/1", "base/1/2619"].map(Path::new)
        );
        write_to_disk(folder.path()).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();

        assert!(write_to_disk(&folder.path().join("missing")).is_err());

        let file = folder.path().join("unreadable");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        // root reads everything
        assert_eq!(write_to_disk(folder.path()).is_err(), File::open(&file).is_err());
    }
}
