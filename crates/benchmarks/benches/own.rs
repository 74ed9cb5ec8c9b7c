//! What is this project's own and runs often: `cargo bench -p benchmarks`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that cannot run may panic")]

use std::hint::black_box;

use aws_iot_mqtt::{Client, Filter, OutboxOptions, Publication, QoS, Topic, WhenFull};
use aws_iot_sim::policy::{Action, Caller, Decision, Policy, decide};
use criterion::{Criterion, criterion_group, criterion_main};
use se050_key::Selector;

fn names(criterion: &mut Criterion) {
    let uri = "pkcs11:token=throwaway;object=device%20key;id=%10%01%00%F0;type=private?module-path=/usr/lib/libsofthsm2.so";
    for (name, text) in
        [("label sss:100100F0", "sss:100100F0"), ("object id", "0xF0000110"), ("PKCS#11 URI", uri)]
    {
        criterion
            .bench_function(name, |bencher| bencher.iter(|| black_box(text).parse::<Selector>().unwrap()));
    }
    let topic = "$aws/things/armadillo-0123456789/shadow/name/network/update";
    criterion.bench_function("topic", |bencher| bencher.iter(|| black_box(topic).parse::<Topic>().unwrap()));
    let filter = "$aws/things/armadillo-0123456789/jobs/+/update/#";
    criterion
        .bench_function("filter", |bencher| bencher.iter(|| black_box(filter).parse::<Filter>().unwrap()));
}

/// A message goes into the outbox, and pushes the oldest one out.
fn outbox(criterion: &mut Criterion) {
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    // Nobody listens on port 1.
    let options = OutboxOptions::new().when_full(WhenFull::DropOldest);
    let client = Client::builder("localhost", "bench", tls).port(1).outbox(options).start().unwrap();
    let topic: Topic = "bench/outbox".parse().unwrap();
    criterion.bench_function("outbox: accept, and drop the oldest of 10,000", |bencher| {
        bencher.iter(|| {
            let message = Publication::new(&topic, QoS::AtLeastOnce, vec![b'x'; 256]).unwrap();
            drop(client.try_publish(message).unwrap());
        });
    });
}

/// The simulator asks this for each message: a policy with one topic for each of twenty services, the last one asked for.
fn policy(criterion: &mut Criterion) {
    let statements: Vec<_> = (0..20)
        .map(|service| {
            let resource = format!("arn:aws:iot:ap-northeast-1:123456789012:topic/dt/${{iot:ClientId}}/{service}/*");
            serde_json::json!({"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": resource})
        })
        .collect();
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    criterion.bench_function("policy: read 20 statements", |bencher| {
        bencher.iter(|| Policy::parse(black_box(&document)).unwrap());
    });
    let policy = Policy::parse(&document).unwrap();
    let caller = Caller { client_id: "armadillo-0123456789".to_owned(), ..Caller::default() };
    let topic = "arn:aws:iot:ap-northeast-1:123456789012:topic/dt/armadillo-0123456789/19/state";
    criterion.bench_function("policy: decide on 20 statements", |bencher| {
        bencher.iter(|| {
            let decision = decide([&policy], Action::Publish, black_box(topic), &caller);
            assert_eq!(decision, Decision::Allowed);
        });
    });
}

criterion_group!(own, names, outbox, policy);
criterion_main!(own);
