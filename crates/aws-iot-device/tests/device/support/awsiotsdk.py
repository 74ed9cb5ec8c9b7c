# AWS's device SDK, connected as THING: port, CA, certificate, key and thing are the arguments. A script that follows prints JSON.
import json
import sys
from concurrent.futures import Future

from awscrt import mqtt5, mqtt_request_response
from awsiot import iotidentity, iotjobs, iotshadow, mqtt5_client_builder

PATIENCE = 60
port, ca, certificate, key, thing = sys.argv[1:6]
arguments = sys.argv[6:]
connected = Future()
stopped = Future()
client = mqtt5_client_builder.mtls_from_path(
    certificate,
    key,
    endpoint="localhost",
    port=int(port),
    ca_filepath=ca,
    client_id=thing,
    on_lifecycle_connection_success=lambda event: connected.done() or connected.set_result(event),
    on_lifecycle_stopped=lambda event: stopped.set_result(event),
)
client.start()
connected.result(PATIENCE)
options = mqtt_request_response.ClientOptions(
    max_request_response_subscriptions=8, max_streaming_subscriptions=4, operation_timeout_in_seconds=PATIENCE
)


def end(answer):
    print(json.dumps(answer))
    client.stop()
    stopped.result(PATIENCE)
