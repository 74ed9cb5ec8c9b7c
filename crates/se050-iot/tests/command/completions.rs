//! Shell completions and manual pages, read by those that they are for.

use std::process::Command;

use test_peers::{output_of, program};

use crate::support::{Operator, text};

#[test]
fn bash_zsh_and_fish_load_the_completions() {
    let device = Operator::new(Vec::new());
    for shell in ["bash", "zsh", "fish"] {
        device.write(shell, device.good(&["completions", shell]));
    }
    let script = device.path("bash").display().to_string();
    if let Some(bash) = program("bash") {
        // As bash asks when somebody presses the tabulator after `se050-iot pub --mess`.
        let ask = format!(
            "source {script}; registered=$(complete -p se050-iot); function=${{registered#*-F }}; COMP_WORDS=(se050-iot pub --mess); \
             COMP_CWORD=2; ${{function%% *}} se050-iot --mess pub; echo \"${{COMPREPLY[*]}}\""
        );
        assert_eq!(
            text(&output_of(Command::new(bash).args(["--norc", "-c", &ask]))),
            "--message --message-expiry\n"
        );
    }
    if let Some(fish) = program("fish") {
        let script = device.path("fish").display().to_string();
        let ask = format!("source {script}; complete --do-complete 'se050-iot pub --mess'");
        let answer = text(&output_of(
            Command::new(fish).args(["--no-config", "-c", &ask]).env("HOME", device.path("")),
        ));
        assert!(answer.contains("--message\t") && answer.contains("--message-expiry\t"), "{answer}");
    }
    if let Some(zsh) = program("zsh") {
        // It compiles, and registers itself for the command.
        let directory = device.path("functions").display().to_string();
        device.write("functions/_se050-iot", device.good(&["completions", "zsh"]));
        let ask = format!(
            "fpath=({directory} $fpath); autoload -Uz compinit; compinit -u -D; echo $_comps[se050-iot]; autoload +X _se050-iot"
        );
        let answer = output_of(Command::new(zsh).args(["-f", "-c", &ask]).env("HOME", device.path("")));
        assert_eq!(text(&answer), "_se050-iot\n");
    }
}

#[test]
fn man_reads_the_manual_pages() {
    let device = Operator::new(Vec::new());
    device.good(&["completions", "--dir", "share"]);
    for file in [
        "bash-completion/completions/se050-iot",
        "zsh/site-functions/_se050-iot",
        "fish/vendor_completions.d/se050-iot.fish",
    ] {
        assert!(device.path("share").join(file).is_file(), "{file}");
    }
    let Some(man) = program("man") else { return };
    for (page, says) in
        [("se050-iot.1", "From the chip to AWS IoT Core"), ("se050-iot-pub.1", "--user-property")]
    {
        let page = device.path("share/man/man1").join(page);
        let mut command = Command::new(&man);
        let output = command
            .arg("--warnings")
            .arg("-l")
            .arg(page)
            .env("MANWIDTH", "100")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        // Overstriking and hyphenation aside, as `man` writes into a pipe.
        let shown = text(&output.stdout).replace('\u{2010}', "-");
        assert!(output.status.success() && shown.contains(says), "{shown}{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
    }
}
