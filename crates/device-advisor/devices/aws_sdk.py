"""A device built with AWS's own SDK for Python (MQTT 5), as its documentation shows it: subscribes with a persistent session, and
publishes once a second. Arguments: HOST PORT CA CERT KEY CLIENT_ID TOPIC"""
import sys
import time

from awscrt import mqtt5
from awsiot import mqtt5_client_builder

host, port, ca, cert, key, client_id, topic = sys.argv[1:8]


def connected(data):
    # The SDK makes no subscription again by itself.
    if not data.connack_packet.session_present:
        client.subscribe(mqtt5.SubscribePacket([mqtt5.Subscription(topic, mqtt5.QoS.AT_LEAST_ONCE)]))


client = mqtt5_client_builder.mtls_from_path(
    endpoint=host,
    port=int(port),
    ca_filepath=ca,
    cert_filepath=cert,
    pri_key_filepath=key,
    client_id=client_id,
    connect_options=mqtt5.ConnectPacket(client_id=client_id, keep_alive_interval_sec=30, session_expiry_interval_sec=3600),
    session_behavior=mqtt5.ClientSessionBehaviorType.REJOIN_ALWAYS,
    on_lifecycle_connection_success=connected,
)
client.start()
number = 0
while True:
    number += 1
    client.publish(
        mqtt5.PublishPacket(
            topic=f"{client_id}/out",
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            payload=f"reading {number}",
            retain=True,
            user_properties=[mqtt5.UserProperty(name="unit", value="none")],
        )
    )
    time.sleep(1)
