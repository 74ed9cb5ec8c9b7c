//! mosquitto's C client: `mosquitto_pub -l`, a message a line.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use test_peers::program;

use crate::measure::Measured;
use crate::{Bench, Case};

/// What /proc counts CPU in, on Linux, for all that its programs see (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// The run, less one that sends a single message: what is left is the sending.
pub(crate) fn run(bench: &Bench, case: Case) -> Option<Measured> {
    let (start_wall, start_cpu) = publish(bench, case, 1)?;
    let (wall, cpu) = publish(bench, case, case.messages)?;
    Some(Measured::new(case.messages, wall.saturating_sub(start_wall), cpu.saturating_sub(start_cpu)))
}

fn publish(bench: &Bench, case: Case, messages: usize) -> Option<(Duration, Duration)> {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("ca"), &bench.ca_pem).unwrap();
    fs::write(at("cert"), &bench.device.certificate_pem).unwrap();
    fs::write(at("key"), &bench.device.key_pem).unwrap();
    let line = [vec![b'x'; case.bytes], vec![b'\n']].concat();
    let mut command = Command::new(program("mosquitto_pub")?);
    command.args(["-V", "5", "-h", "localhost", "-p", &bench.broker.port().to_string(), "-l"]);
    command.args(["-t", "bench/throughput", "-q", if case.acknowledged { "1" } else { "0" }]);
    command.arg("--cafile").arg(at("ca")).arg("--cert").arg(at("cert")).arg("--key").arg(at("key"));

    let started = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines = line.repeat(64);
    let mut left = messages;
    while left > 0 {
        let now = left.min(64);
        input.write_all(lines.get(..now * line.len()).unwrap()).unwrap();
        left -= now;
    }
    drop(input);
    // Its end of the pipe closes when it exits; it is still there to be asked until it is waited for.
    child.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
    let wall = started.elapsed();
    let cpu = cpu_of(child.id());
    assert!(child.wait().unwrap().success());
    Some((wall, cpu))
}

fn cpu_of(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Behind the name, which is in brackets: utime and stime are the 12th and 13th field.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|index| fields.get(*index).unwrap().parse::<f64>().unwrap()).sum();
    Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
}
