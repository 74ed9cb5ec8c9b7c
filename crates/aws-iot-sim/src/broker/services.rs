//! Two of AWS IoT's services behind reserved topics, as devices reach them: commands, and fleet provisioning with a certificate
//! signing request. Shadows and jobs are not simulated: ministack has them.

use rcgen::CertificateSigningRequestParams;
use serde_json::{Map, Value, json};

use super::handshake::Broker;
use super::message::Message;
use crate::broker::CloudMessage;
use crate::registry::{ExecutionUpdate, Rejected};

/// Answers a request that a client has published to a reserved topic; others stay unanswered.
pub(super) fn answer(broker: &Broker, message: &Message) {
    let levels: Vec<&str> = message.topic.as_str().split('/').collect();
    let request = serde_json::from_slice::<Value>(&message.payload);
    let answer = match levels.as_slice() {
        ["$aws", "commands", "things", thing, "executions", execution, "response", "json"] => {
            let response = format!("$aws/commands/things/{thing}/executions/{execution}/response");
            match update_execution(broker, thing, execution, request) {
                Ok(answer) => (format!("{response}/accepted/json"), answer),
                Err(answer) => (format!("{response}/rejected/json"), answer),
            }
        }
        ["$aws", "certificates", "create-from-csr", "json"] => {
            let made = request.map_err(unreadable).and_then(|request| create_from_csr(broker, &request));
            fleet(message, made)
        }
        ["$aws", "provisioning-templates", template, "provision", "json"] => {
            let made =
                request.map_err(unreadable).and_then(|request| register_thing(broker, template, &request));
            fleet(message, made)
        }
        _ => {
            tracing::info!(
                topic = message.topic.as_str(),
                "taken; rules, shadows and jobs are not simulated"
            );
            return;
        }
    };
    let (topic, payload) = answer;
    let qos = mqtt5_protocol::QoS::AtLeastOnce;
    let (payload, retain, properties) =
        (payload.to_string().into(), false, mqtt5_protocol::Properties::new());
    if let Err(fault) = broker.hub.publish(CloudMessage { topic: &topic, payload, qos, retain, properties }) {
        tracing::warn!(topic, reason = %fault, "the answer cannot be sent");
    }
}

fn update_execution(
    broker: &Broker,
    thing: &str,
    execution: &str,
    request: Result<Value, serde_json::Error>,
) -> Result<Value, Value> {
    let rejected = |(code, message): (&str, String)| json!({ "error": code, "errorMessage": message, "executionId": execution });
    let request = request.map_err(|error| rejected(("InvalidJson", error.to_string())))?;
    let update: ExecutionUpdate =
        serde_json::from_value(request).map_err(|error| rejected(("InvalidRequest", error.to_string())))?;
    broker.registry.update_execution(thing, execution, update).map_err(rejected)?;
    Ok(json!({ "executionId": execution }))
}

/// The topic and the payload of an answer (AWS IoT developer guide, "Device provisioning MQTT API").
fn fleet(message: &Message, answer: Result<Value, Rejected>) -> (String, Value) {
    let topic = message.topic.as_str();
    match answer {
        Ok(answer) => (format!("{topic}/accepted"), answer),
        Err((status, code, words)) => {
            let answer = json!({ "statusCode": status, "errorCode": code, "errorMessage": words });
            (format!("{topic}/rejected"), answer)
        }
    }
}

fn unreadable(_: serde_json::Error) -> Rejected {
    (400, "InvalidPayload", "Message cannot be parsed".to_owned())
}

/// CreateCertificateFromCsr: the request has to be signed by the key that it names.
fn create_from_csr(broker: &Broker, request: &Value) -> Result<Value, Rejected> {
    let pem = request.get("certificateSigningRequest").and_then(Value::as_str).unwrap_or_default();
    let invalid = |error: rcgen::Error| (400, "InvalidCsr", error.to_string());
    let csr = CertificateSigningRequestParams::from_pem(pem).map_err(invalid)?;
    let certificate = broker.authority.sign(csr).map_err(invalid)?;
    let (id, token) = broker.registry.issued(&certificate)?;
    Ok(json!({
        "certificateId": id.as_str(),
        "certificatePem": certificate,
        "certificateOwnershipToken": token,
    }))
}

fn register_thing(broker: &Broker, template: &str, request: &Value) -> Result<Value, Rejected> {
    let token = request.get("certificateOwnershipToken").and_then(Value::as_str).unwrap_or_default();
    let none = Map::new();
    let parameters = request.get("parameters").and_then(Value::as_object).unwrap_or(&none);
    let thing = broker.registry.register_thing(template, token, parameters)?;
    Ok(json!({ "thingName": thing, "deviceConfiguration": {} }))
}
