//! `se050-iot policy`, which asks AWS nothing.

use serde_json::Value;

use crate::support::{Operator, text};

#[test]
fn the_partition_follows_from_the_region_and_an_account_is_twelve_digits() {
    let operator = Operator::new(Vec::new());
    for (region, account, arn) in [
        ("cn-north-1", "123456789012", "arn:aws-cn:iot:cn-north-1:123456789012:client/"),
        ("us-gov-west-1", "1234-5678-9012", "arn:aws-us-gov:iot:us-gov-west-1:123456789012:client/"),
        ("ap-northeast-1", "123456789012", "arn:aws:iot:ap-northeast-1:123456789012:client/"),
    ] {
        // `generate` is the old name.
        for word in ["device", "generate"] {
            let printed = operator.good(&["policy", word, "--region", region, "--account", account]);
            assert!(printed.contains(arn), "{printed}");
        }
        operator.write(
            "policy.json",
            operator.good(&["policy", "device", "--region", region, "--account", account]),
        );
        assert_eq!(operator.good(&["policy", "lint", "policy.json"]), "policy.json: nothing found\n");
    }
    let device = ["policy", "device", "--account"];
    for (arguments, says) in [
        (&["1234", "--region", "eu-west-1"][..], "account \"1234\""),
        (&["123456789012", "--region", "Tokyo"], "region \"Tokyo\""),
        (&["123456789012", "--region", "cn-north-1", "--partition", "aws"], "in the partition aws-cn"),
    ] {
        let error = operator.fails(1, &[&device[..], arguments].concat());
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn the_operators_policy_can_be_narrowed() {
    let operator = Operator::new(Vec::new());
    let everywhere = operator.good(&["policy", "operator"]);
    assert_eq!(everywhere, operator.good(&["provision", "--print-iam-policy"]));
    let narrow =
        operator.good(&["policy", "operator", "--region", "cn-north-1", "--account", "1234-5678-9012"]);
    let narrow: Value = serde_json::from_str(&narrow).unwrap();
    let resources = narrow["Statement"][0]["Resource"].as_array().unwrap();
    assert_eq!(resources[0], "arn:aws-cn:iot:cn-north-1:123456789012:thing/*");
    let half = operator.run(&["policy", "operator", "--region", "cn-north-1"]);
    assert_eq!(half.status.code(), Some(2), "{}", text(&half.stderr));
}

#[test]
fn lint_tells_what_aws_refuses_from_what_is_only_unwise() {
    let operator = Operator::new(Vec::new());
    operator.write(
        "how-to.json",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#,
    );
    operator.write(
        "no-version.json",
        r#"{"Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}"#,
    );
    let output = operator.run(&["policy", "lint", "how-to.json"]);
    let found = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{found}");
    assert!(found.contains("how-to.json: statement 1: iot:* allows every action"), "{found}");
    let (object, status) = operator.json(&["policy", "lint", "how-to.json"]);
    assert_eq!((status, &object["good"]), (Some(3), &false.into()));
    let error = operator.fails(1, &["policy", "lint", "no-version.json"]);
    assert!(error.contains("AWS would refuse") && error.contains("no Version"), "{error}");
}
