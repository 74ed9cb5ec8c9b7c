//! What the operator may ask for beyond the usual; the end state is read back with the AWS CLI.

use aws_iot_sim::AwsIotSim;
use test_peers::{Pki, aws_cli};

use crate::support::{Device, Operator, aws};

const PROVISION: [&str; 5] = ["provision", "--certificate", "device.json", "--thing-name", "dev1"];

fn asking(options: &[&'static str]) -> Vec<&'static str> {
    [&PROVISION, options].concat()
}

#[test]
fn a_certificate_is_registered_inactive_activated_and_deactivated_by_name() {
    let sim = AwsIotSim::start().unwrap();
    let (operator, device) = (Operator::new(sim.environment()), Device::new());
    operator.write("device.json", device.bundle("1"));
    let printed = operator.good(&asking(&["--inactive"]));
    assert!(printed.contains("INACTIVE"), "{printed}");
    assert!(operator.good(&asking(&["--inactive"])).contains("Nothing was changed"));
    let Some(cli) = aws_cli(sim.environment()) else { return };
    let id = device.certificate.fingerprint();
    let status = || {
        let found = aws(&cli, &["describe-certificate", "--certificate-id", &id]);
        found["certificateDescription"]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(), "INACTIVE");
    // A later run without --inactive leaves it so.
    let error = operator.fails(1, &PROVISION);
    assert!(error.contains("registered with --inactive") && error.contains("se050-iot activate"), "{error}");
    assert_eq!(status(), "INACTIVE");
    for (command, is) in [("activate", "ACTIVE"), ("deactivate", "INACTIVE")] {
        let printed = operator.good(&[command, "--thing-name", "dev1"]);
        assert!(printed.contains(&format!("~ certificate {id}: {is}")), "{printed}");
        assert_eq!(status(), is);
    }
    // What somebody deactivated stays so; the error names the command that activates it.
    let error = operator.fails(1, &PROVISION);
    let remedy = "se050-iot activate --thing-name dev1";
    assert!(error.contains("is registered and INACTIVE") && error.contains(remedy), "{error}");
    let words: Vec<&str> = remedy.split(' ').skip(1).collect();
    operator.good(&words);
    assert!(operator.good(&PROVISION).contains("Nothing was changed"));
    assert_eq!(status(), "ACTIVE");
}

#[test]
fn a_shared_certificate_becomes_exclusive_when_it_is_asked_for() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    operator.write("device.json", Device::new().bundle("1"));
    let cli = aws_cli(sim.environment());
    let check = |kind: &str| {
        let Some(cli) = &cli else { return };
        let found = aws(cli, &["list-thing-principals-v2", "--thing-name", "dev1"]);
        assert_eq!(found["thingPrincipalObjects"][0]["thingPrincipalType"], kind);
    };
    operator.good(&asking(&["--shared"]));
    check("NON_EXCLUSIVE_THING");
    let plan = operator.good(&[&["provision", "plan"], &PROVISION[1..]].concat());
    assert!(plan.contains("~ certificate on the thing dev1: exclusive instead of shared"), "{plan}");
    check("NON_EXCLUSIVE_THING");
    operator.good(&PROVISION);
    check("EXCLUSIVE_THING");
    assert!(operator.good(&PROVISION).contains("Nothing was changed"));
    // Another thing cannot have it any more, shared or not.
    let error =
        operator.fails(1, &["provision", "--certificate", "device.json", "--thing-name", "dev2", "--shared"]);
    assert!(error.contains("belongs to the thing dev1 already, and nothing was changed"), "{error}");
}

#[test]
fn a_proof_can_be_required_and_the_maker_be_verified() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    let (maker, other) = (Pki::new(), Pki::new());
    let device = Device::issued_by(&maker);
    operator.write("device.json", device.bundle("1"));
    operator.write("device.pem", device.certificate.to_pem());
    operator.write("maker.pem", other.ca_pem() + &maker.ca_pem());
    operator.write("other.pem", other.ca_pem());
    operator.write("empty.pem", "");

    for (options, status, says) in [
        (&["--require-proof", "--certificate", "device.pem"][..], 3, "comes without a proof of possession"),
        (&["--nxp-ca", "other.pem", "--certificate", "device.json"], 3, "was not issued by one of the given"),
        (&["--nxp-ca", "none.pem", "--certificate", "device.json"], 1, "none.pem"),
        (&["--nxp-ca", "empty.pem", "--certificate", "device.json"], 1, "no CA certificate in empty.pem"),
    ] {
        let error = operator.fails(status, &[&["provision", "--thing-name", "dev1"], options].concat());
        assert!(error.contains(says), "{options:?}: {error}");
    }
    let printed = operator.good(&asking(&["--require-proof", "--nxp-ca", "maker.pem"]));
    assert!(printed.contains("proof of possession holds, issued by CN=throwaway test CA"), "{printed}");
    assert!(printed.contains("+ thing dev1"), "nothing was registered before: {printed}");
}
