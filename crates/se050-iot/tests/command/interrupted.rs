//! A registration, and a deprovisioning, that is interrupted at each of its calls, in each way, and repeated: the same end
//! state, read back with the AWS CLI. On aws-iot-sim and on moto.

use std::sync::Mutex;

use aws_iot_sim::AwsIotSim;
use test_peers::{Moto, aws_cli};

use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::{Device, Operator, aws, four_at_a_time, strings, text};

type Environment = Vec<(String, String)>;

const FAULTS: [Fault; 5] =
    [Fault::InternalError, Fault::Throttled, Fault::LostBefore, Fault::LostAfter, Fault::NoAnswer];
/// What a second control plane can answer in another way: the others leave it as one of these does.
const LOST: [Fault; 2] = [Fault::LostBefore, Fault::LostAfter];

/// The calls of a first registration.
const CALLS: usize = 11;

/// Of these, how many are looked at one by one with the AWS CLI, which takes its time.
const LOOKED_AT: usize = 3;

/// How long a call may take in the runs whose answer never comes, in seconds: a loaded machine shall not look like a fault.
const PATIENCE: &str = "5";

/// A control plane, and how the command reaches it.
struct Core {
    url: String,
    environment: Environment,
    /// What happens to each of its calls that changes something.
    faults: &'static [Fault],
}

impl Core {
    fn of_sim(sim: &AwsIotSim) -> Self {
        Self { url: sim.control_plane_url().to_owned(), environment: sim.environment(), faults: &FAULTS }
    }

    fn of_moto(moto: &Moto) -> Self {
        Self { url: moto.url().to_owned(), environment: moto.environment(), faults: &LOST }
    }

    /// The command, with a fault at that call.
    fn with_fault(&self, fault: Fault, call: usize) -> (FaultProxy, Operator) {
        let proxy =
            FaultProxy::start(&self.url, move |number, _| if number == call { fault } else { Fault::None });
        let operator = Operator::new(proxy.environment(self.environment.clone()));
        (proxy, operator)
    }
}

/// Each fault at each call that changes something; one that only reads fails in one way as in another.
fn jobs(core: &Core, clean_run: &FaultProxy) -> Vec<(Fault, usize)> {
    let (calls, writes) = (clean_run.calls(), clean_run.writes());
    let faults = |call: &usize| if writes.contains(call) { core.faults } else { &LOST[..1] };
    (0..calls).flat_map(|call| faults(&call).iter().map(move |fault| (*fault, call))).collect()
}

/// Fails at call number `call`, and tries nothing after that.
fn fails_there(proxy: &FaultProxy, operator: &Operator, arguments: &[&str], fault: Fault, call: usize) {
    let patience = if fault == Fault::NoAnswer { &["--call-timeout", PATIENCE][..] } else { &[] };
    let error = operator.fails(1, &[arguments, patience].concat());
    assert_eq!(proxy.calls(), call + 1, "{fault:?} at {call}: nothing is tried after an error: {error}");
}

/// Interrupts one device's registration at that call, repeats it, and repeats it once more. Returns the thing's name.
fn registered_in_spite(core: &Core, fault: Fault, call: usize) -> String {
    let (proxy, through) = core.with_fault(fault, call);
    let direct = Operator::new(core.environment.clone());
    let bundle = Device::new().bundle("1");
    let (thing, policy) = (format!("{fault:?}-{call}"), format!("policy-{fault:?}-{call}"));
    for operator in [&through, &direct] {
        operator.write("device.json", &bundle);
    }
    let arguments =
        ["provision", "--certificate", "device.json", "--thing-name", &thing, "--policy-name", &policy];
    fails_there(&proxy, &through, &arguments, fault, call);
    direct.good(&arguments);
    let again = direct.good(&arguments);
    assert!(again.contains("Nothing was changed"), "{thing}: {again}");
    assert!(again.contains("proof of possession holds"), "{thing}: {again}");
    thing
}

fn registered_in_spite_of_each_fault_at_each_call(core: &Core) {
    let (proxy, through) = core.with_fault(Fault::None, 0);
    register(&through, "whole");
    assert_eq!((proxy.calls(), proxy.writes().len()), (CALLS, 6));
    let mut things =
        four_at_a_time(jobs(core, &proxy), |(fault, call)| registered_in_spite(core, fault, call));
    things.push("whole".to_owned());
    things.sort();

    let Some(cli) = aws_cli(core.environment.clone()) else { return };
    assert_eq!(strings(&aws(&cli, &["list-things"]), "things", "thingName"), things);
    let certificates = aws(&cli, &["list-certificates"]);
    assert_eq!(strings(&certificates, "certificates", "status"), vec!["ACTIVE"; things.len()]);
    let certificates = strings(&certificates, "certificates", "certificateArn");
    // Each thing has a certificate of its own, and its policy is on that one. Asked of some of those whose answer was lost.
    let lost = things.into_iter().filter(|thing| thing.starts_with("LostAfter")).take(LOOKED_AT).collect();
    let seen = Mutex::new(Vec::new());
    four_at_a_time(lost, |thing: String| {
        let principals = aws(&cli, &["list-thing-principals", "--thing-name", &thing]);
        let principals = strings(&principals, "principals", "");
        let targets = aws(&cli, &["list-targets-for-policy", "--policy-name", &format!("policy-{thing}")]);
        assert_eq!(strings(&targets, "targets", ""), principals, "{thing}");
        seen.lock().unwrap().extend(principals);
    });
    let mut seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), LOOKED_AT);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), LOOKED_AT, "each has its own");
    assert!(seen.iter().all(|principal| certificates.contains(principal)));
}

#[test]
fn a_registration_on_aws_iot_sim() {
    let sim = AwsIotSim::start().unwrap();
    registered_in_spite_of_each_fault_at_each_call(&Core::of_sim(&sim));
}

/// moto gives certificates another id than AWS (the SHA-256 of the PEM text): the id that it names is what counts. It does
/// not tell how a certificate is attached, which is taken for "as it should be".
#[test]
fn a_registration_on_moto() {
    let Some(moto) = Moto::start() else { return };
    registered_in_spite_of_each_fault_at_each_call(&Core::of_moto(&moto));
}

/// Each fault once, in a run that may try its calls more than once.
#[test]
fn a_passing_fault_is_overcome_within_the_run() {
    let sim = AwsIotSim::start().unwrap();
    let core = Core::of_sim(&sim);
    for fault in FAULTS {
        let (proxy, through) = core.with_fault(fault, 4);
        through.write("device.json", Device::new().bundle("1"));
        let thing = format!("{fault:?}");
        let arguments =
            ["provision", "--certificate", "device.json", "--thing-name", &thing, "--call-timeout", PATIENCE];
        let output = through.command(&arguments).env("AWS_MAX_ATTEMPTS", "2").output().unwrap();
        assert!(output.status.success(), "{fault:?}: {}", text(&output.stderr));
        assert!(proxy.calls() > 4, "{fault:?}");
    }
}

/// A shared attachment is to be exclusive: in between, the certificate is on no thing for a moment.
#[test]
fn a_change_of_the_attachment_on_aws_iot_sim() {
    let sim = AwsIotSim::start().unwrap();
    let core = Core::of_sim(&sim);
    fn exclusive(thing: &str) -> [&str; 5] {
        ["provision", "--certificate", "device.json", "--thing-name", thing]
    }
    let shared = |operator: &Operator, thing: &str, bundle: &str| {
        operator.write("device.json", bundle);
        operator.good(&[&exclusive(thing)[..], &["--shared"]].concat());
    };
    let (proxy, through) = core.with_fault(Fault::None, 0);
    let bundle = Device::new().bundle("1");
    shared(&Operator::new(core.environment.clone()), "whole", &bundle);
    through.write("device.json", &bundle);
    through.good(&exclusive("whole"));
    let first = proxy.writes()[0];
    let jobs: Vec<(Fault, usize)> = [Fault::LostBefore, Fault::LostAfter]
        .iter()
        .flat_map(|fault| (first..proxy.calls()).map(|call| (*fault, call)))
        .collect();
    assert!(!jobs.is_empty());
    let things = four_at_a_time(jobs, |(fault, call)| {
        let (proxy, through) = core.with_fault(fault, call);
        let (direct, thing) = (Operator::new(core.environment.clone()), format!("{fault:?}-{call}"));
        let bundle = Device::new().bundle("1");
        shared(&direct, &thing, &bundle);
        through.write("device.json", &bundle);
        fails_there(&proxy, &through, &exclusive(&thing), fault, call);
        direct.good(&exclusive(&thing));
        assert!(direct.good(&exclusive(&thing)).contains("Nothing was changed"), "{thing}");
        thing
    });
    let Some(cli) = aws_cli(core.environment) else { return };
    for thing in things {
        let found = aws(&cli, &["list-thing-principals-v2", "--thing-name", &thing]);
        let kinds = strings(&found, "thingPrincipalObjects", "thingPrincipalType");
        assert_eq!(kinds, ["EXCLUSIVE_THING"], "{thing}");
    }
}

/// A policy that has as many versions as AWS keeps is to say something else: on request, the oldest goes for the new one.
#[test]
fn a_change_of_the_policy_at_its_limit_on_aws_iot_sim() {
    let sim = AwsIotSim::start().unwrap();
    let core = Core::of_sim(&sim);
    let direct = Operator::new(core.environment.clone());
    fn apply(prefix: &str) -> [&str; 6] {
        ["policy", "apply", "--yes", "--delete-oldest-version", "--topic-prefix", prefix]
    }
    let (proxy, through) = core.with_fault(Fault::None, 0);
    for prefix in ["1/{thing}", "2/{thing}", "3/{thing}", "4/{thing}", "5/{thing}"] {
        direct.good(&apply(prefix));
    }
    let refused = direct.fails(1, &["policy", "apply", "--yes", "--topic-prefix", "6/{thing}"]);
    assert!(refused.contains("five versions") && refused.contains("--delete-oldest-version"), "{refused}");
    through.good(&apply("6/{thing}"));
    let mut last = String::new();
    for fault in [Fault::LostBefore, Fault::LostAfter] {
        for call in 0..proxy.calls() {
            let (proxy, through) = core.with_fault(fault, call);
            last = format!("{fault:?}-{call}/{{thing}}");
            fails_there(&proxy, &through, &apply(&last), fault, call);
            direct.good(&apply(&last));
            assert!(direct.good(&apply(&last)).contains("is as it should be"), "{last}");
            // So that each round begins at the limit.
            direct.good(&apply("between/{thing}"));
        }
    }
    direct.good(&apply(&last));
    let Some(cli) = aws_cli(core.environment) else { return };
    let versions = aws(&cli, &["list-policy-versions", "--policy-name", "se050-device"]);
    assert_eq!(versions["policyVersions"].as_array().unwrap().len(), 5);
    let policy = aws(&cli, &["get-policy", "--policy-name", "se050-device"]);
    let prefix = last.replace("{thing}", "");
    assert!(policy["policyDocument"].as_str().unwrap().contains(&prefix), "{policy}");
}

fn register(operator: &Operator, thing: &str) {
    operator.write("device.json", Device::new().bundle("1"));
    let policy = format!("policy-{thing}");
    let arguments =
        ["provision", "--certificate", "device.json", "--thing-name", thing, "--policy-name", &policy];
    operator.good(&arguments);
}

fn taken_back_in_spite_of_each_fault_at_each_call(core: &Core) {
    let remove = |operator: &Operator, thing: &str, fault: Option<(&FaultProxy, Fault, usize)>| {
        let policy = format!("policy-{thing}");
        let arguments = ["remove", "--thing-name", thing, "--policy-name", &policy, "--yes"];
        match fault {
            None => operator.good(&arguments),
            Some((proxy, fault, call)) => {
                fails_there(proxy, operator, &arguments, fault, call);
                String::new()
            }
        }
    };
    // Without a fault, to count the calls.
    let (proxy, through) = core.with_fault(Fault::None, 0);
    register(&Operator::new(core.environment.clone()), "whole");
    assert!(remove(&through, "whole", None).contains("thing whole: removed"));
    four_at_a_time(jobs(core, &proxy), |(fault, call)| {
        let (proxy, through) = core.with_fault(fault, call);
        let (direct, thing) = (Operator::new(core.environment.clone()), format!("{fault:?}-{call}"));
        register(&direct, &thing);
        remove(&through, &thing, Some((&proxy, fault, call)));
        let done = remove(&direct, &thing, None);
        assert!(done.contains(&format!("thing {thing}: ")), "{done}");
    });

    let Some(cli) = aws_cli(core.environment.clone()) else { return };
    for (list, members) in
        [("list-things", "things"), ("list-certificates", "certificates"), ("list-policies", "policies")]
    {
        let left = aws(&cli, &[list]);
        assert_eq!(left[members], serde_json::json!([]), "{list}");
    }
}

#[test]
fn a_deprovisioning_on_aws_iot_sim() {
    let sim = AwsIotSim::start().unwrap();
    taken_back_in_spite_of_each_fault_at_each_call(&Core::of_sim(&sim));
}

/// moto says ResourceNotFoundException where a policy or a thing is detached for a second time, which for DetachPolicy is
/// not in AWS's model.
#[test]
fn a_deprovisioning_on_moto() {
    let Some(moto) = Moto::start() else { return };
    taken_back_in_spite_of_each_fault_at_each_call(&Core::of_moto(&moto));
}
