//! AWS IoT Jobs, against ministack, with AWS's device SDK beside it.

use std::time::Duration;

use aws_iot_device::{Error, JobStatus, Jobs, RejectedErrorCode, StatusDetails};
use serde_json::json;

use crate::support::cloud::Cloud;
use crate::support::line::Line;
use crate::support::ministack::Account;
use crate::support::{block_on, client, soon};

impl Account {
    fn create_job(&self, id: &str, thing: &str) {
        let thing = self.aws(&["iot", "describe-thing", "--thing-name", thing]);
        let document = json!({"operation": "reboot", "id": id}).to_string();
        let arn = thing["thingArn"].as_str().unwrap();
        self.aws(&["iot", "create-job", "--job-id", id, "--targets", arn, "--document", &document]);
    }

    fn job_status(&self, id: &str, thing: &str) -> String {
        let execution = self.aws(&["iot", "describe-job-execution", "--job-id", id, "--thing-name", thing]);
        execution["execution"]["status"].as_str().unwrap().to_owned()
    }
}

const PENDING: &str = r#"
jobs = iotjobs.IotJobsClientV2(client, options)
pending = jobs.get_pending_job_executions(
    iotjobs.GetPendingJobExecutionsRequest(thing_name=thing, client_token="python")
).result(PATIENCE)
one = jobs.describe_job_execution(iotjobs.DescribeJobExecutionRequest(
    thing_name=thing, job_id="job-1", include_job_document=True, client_token="python-2"
)).result(PATIENCE).execution
end({"in progress": [job.job_id for job in pending.in_progress_jobs], "queued": [job.job_id for job in pending.queued_jobs],
     "status": one.status, "details": one.status_details, "document": one.job_document})
"#;

#[test]
fn one_job_after_another_with_a_restart_in_between() {
    let Some(account) = Account::new() else { return };
    let device = account.device("gw-1");
    account.create_job("job-1", "gw-1");
    account.create_job("job-2", "gw-1");
    block_on(async {
        let client = account.client("gw-1", &device).connect().await.unwrap();
        let mut jobs = Jobs::new(&client, "gw-1").unwrap().step_timeout(Duration::from_secs(600)).unwrap();
        let job = soon(jobs.next()).await.unwrap().unwrap();
        assert_eq!((job.id.as_str(), job.status), ("job-1", JobStatus::InProgress));
        assert_eq!(job.document, json!({"operation": "reboot", "id": "job-1"}));
        jobs.progress(&job, &StatusDetails::new().with("step", "before the reboot")).await.unwrap();

        // The program crashes in the middle of it.
        drop((jobs, client));
        if let Some(theirs) = account.awsiotsdk("gw-1", &device, PENDING, &[]) {
            let expected = json!({"in progress": ["job-1"], "queued": ["job-2"], "status": "IN_PROGRESS",
                                  "details": {"step": "before the reboot"}, "document": {"operation": "reboot", "id": "job-1"}});
            assert_eq!(theirs, expected, "what AWS's SDK sees of it");
        }
        let client = account.client("gw-1", &device).connect().await.unwrap();
        let mut jobs = Jobs::new(&client, "gw-1").unwrap();
        let pending = jobs.pending().await.unwrap();
        assert_eq!(
            (pending.in_progress_jobs[0].id.as_str(), pending.queued_jobs[0].id.as_str()),
            ("job-1", "job-2")
        );
        let again = soon(jobs.next()).await.unwrap().unwrap();
        assert_eq!(
            (again.id.as_str(), again.status_details["step"].as_str()),
            ("job-1", "before the reboot")
        );
        jobs.succeed(&again, &StatusDetails::new().with("step", "done")).await.unwrap();
        assert_eq!(account.job_status("job-1", "gw-1"), "SUCCEEDED");

        // The second comes right after the first (aws-iot-device-client#488, #519), a third while it waits.
        let second = soon(jobs.next()).await.unwrap().unwrap();
        assert_eq!(second.id, "job-2");
        jobs.fail(&second, &StatusDetails::new().with("reason", "no space left")).await.unwrap();
        let waiting = async { soon(jobs.next()).await.unwrap().unwrap() };
        let creating = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokio::task::block_in_place(|| account.create_job("job-3", "gw-1"));
        };
        let (third, ()) = tokio::join!(waiting, creating);
        assert_eq!(third.id, "job-3");
        jobs.reject(&third, &StatusDetails::new()).await.unwrap();
        for (id, status) in [("job-2", "FAILED"), ("job-3", "REJECTED")] {
            assert_eq!(account.job_status(id, "gw-1"), status);
        }
        assert_eq!(jobs.start_next().await.unwrap(), None);
        client.disconnect(Default::default()).await.unwrap();
        assert_eq!(soon(jobs.next()).await.unwrap(), None, "the client is at its end");
    });
}

#[test]
fn a_job_that_was_cancelled_is_told_with_its_status() {
    let Some(account) = Account::new() else { return };
    let device = account.device("gw-1");
    account.create_job("job-1", "gw-1");
    block_on(async {
        let client = account.client("gw-1", &device).connect().await.unwrap();
        let mut jobs = Jobs::new(&client, "gw-1").unwrap();
        let job = soon(jobs.next()).await.unwrap().unwrap();
        account.aws(&["iot", "cancel-job", "--job-id", "job-1", "--force"]);
        let error = jobs.succeed(&job, &StatusDetails::new()).await.unwrap_err();
        let Error::JobRejected { code, action, .. } = &error else { panic!("{error:?}") };
        assert!(
            matches!(
                code,
                RejectedErrorCode::InvalidStateTransition | RejectedErrorCode::TerminalStateReached
            ),
            "{error}"
        );
        assert_eq!(action, "update job 'job-1' to SUCCEEDED");
        let error = jobs.describe("no-such-job").await.unwrap_err();
        assert!(
            matches!(error, Error::JobRejected { code: RejectedErrorCode::ResourceNotFound, .. }),
            "{error}"
        );
    });
}

const START: &str = "$aws/things/device-1/jobs/start-next";
const UPDATE: &str = "$aws/things/device-1/jobs/job-1/update";

#[test]
fn an_end_whose_answer_was_lost_is_an_end_and_other_refusals_have_their_codes() {
    let cloud = Cloud::new();
    let line = Line::to(cloud.sim.port());
    block_on(async {
        let client = client(line.port(), "device-1", cloud.tls()).connect().await.unwrap();
        let mut jobs = Jobs::new(&client, "device-1").unwrap();
        let service = async {
            let token = cloud.request(START, 0).await["clientToken"].clone();
            // A presigned URL, as it stands.
            let document =
                json!({"url": "https://b.s3.amazonaws.com/k?X-Amz-Signature=abc&X-Amz-Expires=60"});
            let execution = json!({"jobId": "job-1", "status": "IN_PROGRESS", "jobDocument": document, "executionNumber": 3});
            let answer = json!({"execution": execution, "timestamp": 1, "clientToken": token});
            cloud.say(&format!("{START}/accepted"), answer.clone());
            cloud.say("$aws/things/device-1/jobs/notify-next", json!({"execution": execution}));
            cloud.say(&format!("{START}/accepted"), answer);
            let update = cloud.request(UPDATE, 0).await;
            assert_eq!((&update["status"], &update["executionNumber"]), (&json!("SUCCEEDED"), &json!(3)));
            line.cut();
            line.mend();
            let update = cloud.request(UPDATE, 1).await;
            let refusal = json!({"code": "InvalidStateTransition", "message": "it is at its end", "clientToken": update["clientToken"],
                                 "executionState": {"status": "SUCCEEDED", "versionNumber": 3}});
            cloud.say(&format!("{UPDATE}/rejected"), refusal);
            for number in 2..12 {
                let update = cloud.request(UPDATE, number).await;
                let code = CODES[number - 2].0;
                let refusal = json!({"code": code, "message": "why", "clientToken": update["clientToken"]});
                cloud.say(&format!("{UPDATE}/rejected"), refusal);
            }
        };
        let device = async {
            let job = soon(jobs.next()).await.unwrap().unwrap();
            assert_eq!(
                job.document["url"],
                "https://b.s3.amazonaws.com/k?X-Amz-Signature=abc&X-Amz-Expires=60"
            );
            jobs.succeed(&job, &StatusDetails::new()).await.unwrap();
            for (text, expected) in CODES {
                let error = jobs.fail(&job, &StatusDetails::new()).await.unwrap_err();
                let Error::JobRejected { code, .. } = &error else { panic!("{error:?}") };
                assert_eq!((code, code.to_string().as_str()), (&expected, text));
            }
            for details in [
                StatusDetails::new().with("", "x"),
                StatusDetails::new().with("a b", "x"),
                StatusDetails::new().with("a", ""),
                StatusDetails::new().with("a", "x".repeat(1025)),
                StatusDetails::new().with("a", "two\nlines"),
                (0..11).fold(StatusDetails::new(), |details, n| details.with(n.to_string(), "x")),
            ] {
                let error = jobs.progress(&job, &details).await.unwrap_err();
                assert!(matches!(error, Error::Invalid { .. }), "{error}");
            }
        };
        tokio::join!(service, device);
    });
}

const CODES: [(&str, RejectedErrorCode); 10] = [
    ("InvalidTopic", RejectedErrorCode::InvalidTopic),
    ("InvalidJson", RejectedErrorCode::InvalidJson),
    ("InvalidRequest", RejectedErrorCode::InvalidRequest),
    ("InvalidStateTransition", RejectedErrorCode::InvalidStateTransition),
    ("ResourceNotFound", RejectedErrorCode::ResourceNotFound),
    ("VersionMismatch", RejectedErrorCode::VersionMismatch),
    ("InternalError", RejectedErrorCode::InternalError),
    ("RequestThrottled", RejectedErrorCode::RequestThrottled),
    ("TerminalStateReached", RejectedErrorCode::TerminalStateReached),
    ("DataConflict", RejectedErrorCode::DataConflict),
];
