//! Whatever is in a file, an argument, or a durable outbox, no parser panics. `crates/fuzz` has the functions and the seeds.

use test_peers::fuzz;

#[allow(unreachable_pub, reason = "public in the fuzz package")]
#[path = "../../../fuzz/src/device.rs"]
mod device;
#[cfg(feature = "provision")]
#[allow(unreachable_pub, reason = "public in the fuzz package")]
#[path = "../../../fuzz/src/operator.rs"]
mod operator;

#[test]
fn no_identity_or_certificate_makes_it_panic() {
    fuzz("bundle", device::bundle);
    fuzz("certificate", device::certificate);
}

#[test]
fn no_configuration_or_name_makes_it_panic() {
    fuzz("configuration", device::configuration);
    fuzz("names", device::names);
    fuzz("topics", device::topics);
}

#[test]
fn no_durable_outbox_makes_it_panic() {
    fuzz("store", device::store);
}

#[cfg(feature = "provision")]
#[test]
fn no_list_plan_or_policy_makes_it_panic() {
    fuzz("list", operator::list);
    fuzz("plan", operator::plan);
    fuzz("policy", operator::policy);
}
