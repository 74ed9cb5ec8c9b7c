//! What has to be on the device.

use std::path::{Path, PathBuf};

use crate::peers::Programs;
use crate::rounds::Figure;
use crate::table::Table;

const MB: f64 = 1e6;

/// Sizes of the device's programs, as `cargo xtask cross` has built them, beside the SDK as pip installs it.
pub(crate) fn footprint(programs: &Programs, device: &Path) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Size on the device",
        "Stripped programs for aarch64 and musl (`cargo xtask cross`), and the Python packages that `pip install awsiotsdk` brings \
         (without Python itself, and without the C compiler, CMake and headers that build them on Alpine).",
        &["", "MB"],
    );
    let mut built: Vec<PathBuf> = Vec::new();
    if let Ok(entries) = std::fs::read_dir(device) {
        built = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_none())
            .collect();
    }
    built.sort();
    for program in built.iter().filter(|path| path.is_file()) {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        table.row([name, Figure(program.metadata()?.len() as f64 / MB).to_string()]);
    }
    if built.is_empty() {
        table.row([format!("{} is not built (cargo xtask cross)", device.display()), "–".to_owned()]);
    }
    let script = "import awscrt, awsiot, pathlib\n\
                  folders = [pathlib.Path(module.__file__).parent for module in (awscrt, awsiot)]\n\
                  extra = list(folders[0].parent.glob('_awscrt*'))\n\
                  files = [f for folder in folders for f in folder.rglob('*') if f.is_file()] + extra\n\
                  print(sum(f.stat().st_size for f in files))";
    let mut python = std::process::Command::new(&programs.python);
    let size: f64 = crate::process::run(python.args(["-c", script]))?.output.trim().parse()?;
    table.row(["awsiotsdk and awscrt".to_owned(), Figure(size / MB).to_string()]);
    Ok(table)
}
