//! What a thing has beside its certificate: type, attributes, groups. On moto, which nobody here wrote.

use test_peers::{Moto, aws_cli, output_of};

use crate::support::{Device, Operator, aws, strings, text};

#[test]
fn type_attributes_and_groups_are_as_asked_and_a_second_run_changes_nothing() {
    let Some(moto) = Moto::start() else { return };
    let Some(cli) = aws_cli(moto.environment()) else { return };
    for arguments in [
        ["iot", "create-thing-type", "--thing-type-name", "gateway"],
        ["iot", "create-thing-group", "--thing-group-name", "tokyo"],
        ["iot", "create-thing-group", "--thing-group-name", "line-3"],
    ] {
        output_of(&mut cli.command(arguments));
    }
    let operator = Operator::new(moto.environment());
    operator.write("device.json", Device::new().bundle("1"));
    let first =
        ["provision", "--certificate", "device.json", "--thing-name", "dev1", "--thing-type", "gateway"];
    let more = ["--attribute", "line=3", "--group", "tokyo"];
    let arguments = [&first[..], &more[..]].concat();
    operator.good(&arguments);
    assert!(operator.good(&arguments).contains("Nothing was changed"));

    let further = [&arguments[..], &["--group", "line-3", "--attribute", "room=7"]].concat();
    let changed = operator.good(&further);
    for line in [
        "~ thing dev1: attributes room=7",
        "thing in the group tokyo: unchanged",
        "+ thing in the group line-3",
    ] {
        assert!(changed.contains(line), "{line:?} not in\n{changed}");
    }
    let thing = aws(&cli, &["describe-thing", "--thing-name", "dev1"]);
    assert_eq!((&thing["thingTypeName"], &thing["attributes"]["line"]), (&"gateway".into(), &"3".into()));
    let groups = aws(&cli, &["list-thing-groups-for-thing", "--thing-name", "dev1"]);
    assert_eq!(strings(&groups, "thingGroups", "groupName"), ["line-3", "tokyo"]);

    let other = [&first[..5], &["--thing-type", "sensor"]].concat();
    let refused = operator.run(&other);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("the type gateway instead of the type sensor"),
        "{}",
        text(&refused.stderr)
    );
}
