//! Compresses Swagger UI into the program. Its files come out of the crate that packages them, so that their version stands in
//! `Cargo.lock` like that of everything else.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

const PACKAGE: &str = "swagger-ui-dist";
const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    let output = PathBuf::from(env::var("OUT_DIR")?);
    let assets = folder_of_package(&output)?.join("assets");
    for name in FILES {
        let source = assets.join(name);
        let content = fs::read(&source).map_err(|error| format!("{}: {error}", source.display()))?;
        let file = fs::File::create(output.join(format!("{name}.gz")))?;
        let mut encoder = GzEncoder::new(file, Compression::best());
        encoder.write_all(&content)?;
        encoder.finish()?;
    }
    Ok(())
}

/// Where cargo has put the package: nothing of it is compiled, and this is how cargo tells. Asked about a package that has
/// this dependency alone, since all of ours, those of tests among them, need not be on the machine.
fn folder_of_package(output: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let version = locked_version()?;
    let asking = output.join("asking");
    fs::create_dir_all(asking.join("src"))?;
    fs::write(asking.join("src/lib.rs"), "")?;
    let dependency = format!("{PACKAGE} = {{ version = \"={version}\", default-features = false }}");
    let manifest = format!("[workspace]\n[package]\nname = \"asking\"\n[dependencies]\n{dependency}\n");
    fs::write(asking.join("Cargo.toml"), manifest)?;
    let metadata = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version=1", "--offline", "--manifest-path"])
        .arg(asking.join("Cargo.toml"))
        .output()?;
    if !metadata.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&metadata.stderr)).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut manifests = packages
        .filter(|package| package["name"] == PACKAGE)
        .filter_map(|package| package["manifest_path"].as_str());
    let manifest = manifests.next().ok_or("cargo metadata does not name it")?;
    Ok(Path::new(manifest).parent().ok_or("it has no folder")?.to_owned())
}

/// The version that `Cargo.lock` has.
fn locked_version() -> Result<String, Box<dyn Error>> {
    let lock = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let entry = lock.split_once(&format!("name = \"{PACKAGE}\"\nversion = \""));
    let version = entry.and_then(|(_, rest)| rest.split_once('"'));
    Ok(version.ok_or("Cargo.lock has no swagger-ui-dist")?.0.to_owned())
}
