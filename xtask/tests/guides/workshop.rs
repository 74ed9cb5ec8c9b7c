//! The place where a document's commands run: a directory with a simulated chip, a local AWS IoT Core, and the project's programs.
//!
//! A reader has NXP's module and an AWS account where the programs look for them. Here the programs are told where the simulated ones are.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::console::{self, Block, matches};

/// What a command may take, on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(120);
/// Programs that take the chip's module as an option, and the options of the operator that describe the cloud to the device.
const OURS: [&str; 4] = ["se050-iot", "pubsub", "telemetry", "subscriber"];
/// A line of NXP's log, as the simulated module prints it.
const MODULE_LOG: [&str; 3] = [":INFO :", ":WARN :", ":ERROR:"];

pub(crate) struct Workshop {
    directory: TempDir,
    environment: Vec<(String, String)>,
    /// Ports that documents name, and the free ones that take their place.
    ports: Vec<(String, String)>,
    /// How many commands have been run.
    commands: u32,
    /// What still runs, each with its process group.
    background: Vec<Child>,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut workshop = Self {
            directory,
            environment: Vec::new(),
            ports: Vec::new(),
            commands: 0,
            background: Vec::new(),
        };
        for name in ["home", "bin", "aws"] {
            fs::create_dir(workshop.aside(name)).unwrap();
        }
        fs::create_dir(workshop.place()).unwrap();
        let chip = workshop.aside("chip").display().to_string();
        let made = Command::new(program("se050-sim")).args(["new", &chip]).output().unwrap();
        assert!(made.status.success(), "se050-sim: {}", String::from_utf8_lossy(&made.stderr));
        workshop.start_cloud();
        workshop
    }

    /// Where the commands run.
    fn place(&self) -> PathBuf {
        self.aside("here")
    }

    fn aside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start_cloud(&mut self) {
        let mut cloud = Command::new(program("aws-iot-sim"));
        cloud.args(["--port", "0", "--dir"]).arg(self.aside("aws")).process_group(0);
        let log = File::create(self.aside("aws/log")).unwrap();
        cloud.stdout(log.try_clone().unwrap()).stderr(log);
        self.background.push(cloud.spawn().unwrap());
        let description = self.aside("aws/aws-iot-sim.json");
        let started = Instant::now();
        while !description.exists() {
            assert!(started.elapsed() < PATIENCE, "aws-iot-sim does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let description: serde_json::Value = serde_json::from_slice(&fs::read(description).unwrap()).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let variables = description["environment"].as_object().unwrap();
        self.environment = variables
            .iter()
            // A document that starts a cloud of its own says where it is once.
            .filter(|(name, _)| *name != "AWS_ENDPOINT_URL_IOT")
            .map(|(name, value)| (name.clone(), text(value)))
            .collect();
        let module = self.aside("chip/libsss_pkcs11.so");
        let (port, ca) = (description["port"].to_string(), text(&description["caFile"]));
        for name in OURS {
            let file = self.aside("bin").join(name);
            fs::write(&file, wrapper(&program(name), &module, &port, &ca)).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = [vec![self.aside("bin"), programs()], venvs()]
            .concat()
            .iter()
            .map(|directory| directory.display().to_string())
            .collect::<Vec<_>>()
            .join(":");
        let home = self.aside("home").display().to_string();
        self.environment.extend(
            [
                ("PATH", format!("{path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
                ("HOME", home),
                ("LANG", "C.UTF-8".to_owned()),
                ("AWS_PAGER", String::new()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
    }

    /// A file that the commands have written.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.place().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// What the last commands have printed, without the module's log.
    pub(crate) fn printed(&self, commands: usize) -> Vec<Vec<String>> {
        let first = self.commands as usize - commands + 1;
        (first..first + commands).map(|number| printed(&self.aside(&format!("output-{number}")))).collect()
    }

    /// Runs the commands of a block. `Err` says what was not as it is shown.
    pub(crate) fn run(&mut self, block: &Block) -> Result<(), String> {
        for port in &block.ports {
            self.ports.push((port.clone(), test_peers::unused_port().to_string()));
        }
        for command in &block.first {
            let command =
                console::Command {
                    text: command.clone(), output: vec!["…".to_owned()], interrupted: false
                };
            self.command(&command, "", 0)?;
        }
        for (index, command) in block.commands.iter().enumerate() {
            let is_last = index + 1 == block.commands.len();
            self.command(command, &block.typed, if is_last { block.exit_status } else { 0 })?;
        }
        Ok(())
    }

    fn command(&mut self, command: &console::Command, typed: &str, wanted: i32) -> Result<(), String> {
        // One for each: a program in the background goes on writing.
        self.commands += 1;
        let log = self.aside(&format!("output-{}", self.commands));
        // Variables and directory go from one command to the next by way of a file.
        let script = format!(
            "[ ! -f ../state ] || . ../state; cd \"$PWD\"\n{}\nstatus=$?; export -p >{}; exit $status\n",
            self.ports.iter().fold(command.text.clone(), |text, (named, free)| text.replace(named, free)),
            self.aside("state").display()
        );
        let output = File::create(&log).unwrap();
        let input = self.aside("input");
        fs::write(&input, typed).unwrap();
        // A job in the background ignores SIGINT, and bash cannot take that back: Ctrl-C would end nothing.
        let mut bash = Command::new("env");
        bash.args(["--default-signal=INT", "bash", "-c", &script])
            .current_dir(self.place())
            .process_group(0)
            .stdin(File::open(input).unwrap());
        bash.env_clear().envs(self.environment.clone());
        let mut child = bash.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        let in_background = command.text.ends_with('&');
        let started = Instant::now();
        let (mut status, mut interrupted) = (None, false);
        let ended = loop {
            status = status.or_else(|| child.try_wait().unwrap());
            let as_shown = as_shown(command, &log);
            if command.interrupted && as_shown && status.is_none() && !interrupted {
                // Fails where it has just ended by itself.
                interrupted = kill_process_group(Pid::from_child(&child), Signal::INT).is_ok();
            }
            match status {
                Some(_) if interrupted => break Ok(()),
                Some(_) if in_background && !as_shown && started.elapsed() < PATIENCE => {}
                Some(status) if status.code() != Some(wanted) => {
                    break Err(format!("it ended with {status}, and not with {wanted}"));
                }
                Some(_) if as_shown => break Ok(()),
                Some(_) => break Err("it does not print what is shown".to_owned()),
                None if started.elapsed() > PATIENCE => {
                    break Err(format!("it takes longer than {PATIENCE:?}"));
                }
                None => {}
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if in_background || ended.is_err() {
            self.background.push(child);
        }
        ended.map_err(|error| {
            let (shown, printed) = (command.output.join("\n"), fs::read_to_string(&log).unwrap_or_default());
            format!("$ {}\n{error}\n--- shown\n{shown}\n--- printed\n{printed}---", command.text)
        })
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        for child in &mut self.background {
            // Fails where nothing of it is left.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
        }
    }
}

/// The lines of an output, without the module's log.
fn printed(log: &Path) -> Vec<String> {
    let text = fs::read(log).unwrap_or_default();
    let lines = String::from_utf8_lossy(&text);
    let lines = lines.lines().filter(|line| !MODULE_LOG.iter().any(|mark| line.contains(mark)));
    lines.map(str::to_owned).collect()
}

/// Where nothing is shown, anything may be printed.
fn as_shown(command: &console::Command, log: &Path) -> bool {
    let printed = printed(log);
    if command.output.is_empty() {
        return true;
    }
    // A program that goes on prints more.
    if command.interrupted || command.text.ends_with('&') {
        let mut shown = command.output.clone();
        shown.push("…".to_owned());
        return matches(&shown, &printed);
    }
    matches(&command.output, &printed)
}

/// Gives the program what a reader has where it looks by itself, and what the reader's account is: the module of the simulated chip, the
/// endpoint and the CA of the local AWS IoT Core.
fn wrapper(program: &Path, module: &Path, port: &str, ca: &str) -> String {
    format!(
        r#"#!/usr/bin/env bash
words=() given=("$@") all=" ${{*//_/-}} "
for word in "$@"; do case $word in -*) break ;; *) words+=("$word") ;; esac; done
for i in "${{!given[@]}}"; do
  case ${{given[i]}} in
    *.amazonaws.com) given[i]=localhost ;;
    *AmazonRootCA1.pem) given[i]={ca} ;;
    /usr/lib/plug-and-trust/libsss_pkcs11.so) given[i]={module} ;;
  esac
done
# What the command takes, and was not given.
takes() {{ [[ $help == *"$1 <"* && $all != *" $1 "* ]]; }}
case $all in
  *" --help "* | *" --version "*) ;;
  *)
    help=$({program} "${{words[@]}}" --help 2>/dev/null)
    if takes --pkcs11-lib && ! {{ [[ $all =~ " --config "([^ ]*) ]] && grep -qs ^pkcs11_lib "${{BASH_REMATCH[1]}}"; }}; then given+=(--pkcs11-lib {module}); fi
    if [[ $all == *" --endpoint "* || $all == " up "* ]]; then
      if takes --port; then given+=(--port {port}); fi
      if takes --ca-file; then given+=(--ca-file {ca}); fi
    fi
    case $all in *" --device-config "*) if takes --device-port; then given+=(--device-port {port} --device-ca-file {ca}); fi ;; esac
    ;;
esac
exec {program} "${{given[@]}}"
"#,
        program = program.display(),
        module = module.display(),
    )
}

/// One of the project's programs, which cargo built with the tests.
fn program(name: &str) -> PathBuf {
    let program = programs().join(name);
    assert!(program.is_file(), "{} is missing: cargo test --workspace builds it", program.display());
    program
}

fn programs() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// Where `cargo xtask test` installs the AWS CLI, and ministack.
fn venvs() -> Vec<PathBuf> {
    let venv = std::env::var_os("TEST_VENV")
        .map_or_else(|| crate::root().join("target/test-venv"), PathBuf::from)
        .display()
        .to_string();
    ["", "-ministack"].map(|name| PathBuf::from(format!("{venv}{name}/bin"))).to_vec()
}

/// Whether a program can be started here.
pub(crate) fn is_installed(name: &str) -> bool {
    if std::env::var_os("TEST_WITHOUT_PEERS").is_some() {
        return false;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(venvs())
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .any(|directory| directory.join(name).is_file())
}

#[test]
fn what_is_not_as_it_is_shown_is_told() {
    let mut workshop = Workshop::new();
    for (document, good) in [
        ("```console\n$ export A=1; cd ..\n$ echo $A; cd here\n1\n```\n", true),
        ("```console\n$ echo one\ntwo\n```\n", false),
        ("```console\n$ exit 3\n```\n", false),
        ("<!-- exit status: 3 -->\n```console\n$ exit 3\n```\n", true),
        ("<!-- exit status: 3 -->\n```console\n$ true\n```\n", false),
        ("<!-- typed: word -->\n```console\n$ cat\nword\n```\n", true),
        ("```console\n$ echo ready; sleep 600\nready\n^C\n```\n", true),
        ("```console\n$ (sleep 0.1; echo late) &\nlate\n```\n", true),
    ] {
        for block in console::blocks(document).unwrap() {
            let result = workshop.run(&block);
            assert_eq!(result.is_ok(), good, "{document}: {result:?}");
        }
    }
}
