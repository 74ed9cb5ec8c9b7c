//! What has to be on the device.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::peers::Programs;
use crate::process;
use crate::rounds::Figure;
use crate::table::Table;

const MB: f64 = 1e6;

/// Sizes of the device's programs, as `cargo xtask cross` has built them, beside the SDK as pip installs it.
pub(crate) fn footprint(programs: &Programs, device: &Path, image: &Path) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Size on the device",
        "In MB. Ours: stripped programs for aarch64 and musl (`cargo xtask cross`), which need nothing but the C library and the PKCS#11 \
         module, and the container image's layer with all of them (`cargo xtask image`). The SDK: the packages that `pip install awsiotsdk` \
         brings, and what they run in: the installed sizes of Debian's packages with all that they depend on, less what every Debian has. \
         The how-to compiles the SDK in the container, because there is no wheel of it for Alpine that it could find.",
        &["", "MB"],
    );
    let mut pubsub = None;
    for program in files(device, |name| !name.contains('.') && name != "SHA256SUMS") {
        let (name, size) = (named(&program), program.metadata()?.len() as f64 / MB);
        if name == "pubsub" {
            pubsub = Some(size);
        }
        table.row([name, Figure(size).to_string()]);
    }
    let images = files(image, |name| name.ends_with(".tar"));
    for archive in &images {
        table.row([
            format!("image {}", named(archive)),
            Figure(archive.metadata()?.len() as f64 / MB).to_string(),
        ]);
    }
    for (there, missing, command) in [
        (pubsub.is_some(), "the programs", "cargo xtask cross"),
        (!images.is_empty(), "the image", "cargo xtask image"),
    ] {
        if !there {
            table.row([format!("{missing}: not built here (`{command}`)"), "–".to_owned()]);
        }
    }
    let sdk = sdk(programs)?;
    table.row(["awsiotsdk, awscrt".to_owned(), Figure(sdk).to_string()]);
    let with_python = debian(&["python3"]).map(|python| python + sdk);
    let compiler = ["python3", "python3-pip", "python3-dev", "gcc", "make", "cmake", "libc6-dev"];
    let with_compiler = debian(&compiler).map(|compiler| compiler + sdk);
    for (name, size) in
        [("with Python", &with_python), ("with Python, pip, GCC, make, CMake and headers", &with_compiler)]
    {
        let shown = match size {
            Ok(size) => Figure(*size).to_string(),
            Err(error) => format!("unknown: {error:#}"),
        };
        table.row([format!("the same {name}"), shown]);
    }
    if let (Some(ours), Ok(python), Ok(compiler)) = (pubsub, with_python, with_compiler) {
        table.remark(format!(
            "The SDK with Python is {} x `pubsub`, with the compiler {} x.",
            Figure(python / ours),
            Figure(compiler / ours)
        ));
    }
    Ok(table)
}

fn sdk(programs: &Programs) -> anyhow::Result<f64> {
    let script = "import awscrt, awsiot, pathlib\n\
                  folders = [pathlib.Path(module.__file__).parent for module in (awscrt, awsiot)]\n\
                  extra = list(folders[0].parent.glob('_awscrt*'))\n\
                  files = [f for folder in folders for f in folder.rglob('*') if f.is_file()] + extra\n\
                  print(sum(f.stat().st_size for f in files))";
    let mut python = Command::new(&programs.python);
    Ok(process::run(python.args(["-c", script]))?.output.trim().parse::<f64>()? / MB)
}

/// What the packages take with all that they depend on, in MB, by apt's lists. What is essential or required is on every Debian.
fn debian(packages: &[&str]) -> anyhow::Result<f64> {
    let mut depends = Command::new("apt-cache");
    depends.args(["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts"]);
    depends.args(["--no-breaks", "--no-replaces", "--no-enhances"]).args(packages);
    let closure = process::run(&mut depends).context("no apt")?.output;
    let mut names: Vec<&str> = closure.lines().filter(|line| !line.starts_with([' ', '<', '|'])).collect();
    names.sort_unstable();
    names.dedup();
    let mut show = Command::new("apt-cache");
    let described = process::run(show.args(["show", "--no-all-versions"]).args(names))
        .context("no package lists")?
        .output;
    let kilobytes = described.split("\n\n").filter_map(|package| {
        let field = |name: &str| package.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let everywhere = field("Essential:") == Some("yes")
            || matches!(field("Priority:"), Some("required" | "important"));
        (!everywhere).then(|| field("Installed-Size:")?.parse::<f64>().ok()).flatten()
    });
    Ok(kilobytes.sum::<f64>() * 1024.0 / MB)
}

/// The files of a directory by name; none where it does not exist.
fn files(directory: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file() && wanted(&named(path))).collect();
    files.sort();
    files
}

fn named(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
