//! Shell completions and manual pages, made from the command line's own description. A device build has no use for the code: the files
//! are made on the PC (`cargo xtask completions`) and go into the image.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell, generate};

#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to print the completions for
    #[arg(required_unless_present = "dir")]
    shell: Option<ForShell>,
    /// Write all completions and manual pages into this directory, as they lie below /usr/share
    #[arg(long, value_name = "DIR", conflicts_with = "shell")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ForShell {
    Bash,
    Zsh,
    Fish,
}

/// The shells, and where each looks for completions below /usr/share.
const PLACES: [(ForShell, Shell, &str); 3] = [
    (ForShell::Bash, Shell::Bash, "bash-completion/completions/se050-iot"),
    (ForShell::Zsh, Shell::Zsh, "zsh/site-functions/_se050-iot"),
    (ForShell::Fish, Shell::Fish, "fish/vendor_completions.d/se050-iot.fish"),
];

pub(crate) fn run(args: &CompletionsArgs, command: Command, out: &mut impl Write) -> anyhow::Result<()> {
    match &args.dir {
        Some(directory) => write_all(directory, command),
        None => {
            let wanted = PLACES.iter().find(|(shell, ..)| Some(*shell) == args.shell);
            let script = wanted.map(|(_, shell, _)| script(*shell, &command)).unwrap_or_default();
            out.write_all(script.as_bytes()).context("cannot write to standard output")
        }
    }
}

fn script(shell: Shell, command: &Command) -> String {
    let mut script = Vec::new();
    generate(shell, &mut command.clone(), "se050-iot", &mut script);
    // clap_complete 4.6.11 writes the hyphen of the program's name in two ways in bash's script, so that no case of it is ever met.
    String::from_utf8_lossy(&script).replace("se050__subcmd__iot", "se050__iot")
}

fn write_all(directory: &Path, command: Command) -> anyhow::Result<()> {
    for (_, shell, place) in PLACES {
        let path = directory.join(place);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, script(shell, &command))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let pages = directory.join("man/man1");
    fs::create_dir_all(&pages).with_context(|| format!("cannot make {}", pages.display()))?;
    clap_mangen::generate_to(command, &pages)
        .with_context(|| format!("cannot write into {}", pages.display()))
}
