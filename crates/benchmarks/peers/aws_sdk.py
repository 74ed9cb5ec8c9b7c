"""AWS's own SDK for Python (MQTT 5) at the benchmark's tasks. The arguments are those of src/bin/ours.rs; `connect` takes a key in a token."""
import argparse
import json
import sys
import threading
import time

from awscrt import io, mqtt5
from awsiot import mqtt5_client_builder

TOPIC = "bench/throughput"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key")
    tasks = parser.add_subparsers(dest="task", required=True)
    for name in ("publish", "echo", "queue"):
        task = tasks.add_parser(name)
        for option in ("--qos", "--bytes", "--in-flight", "--messages"):
            task.add_argument(option, type=int, required=True)
    tasks.add_parser("recover").add_argument("--client-id", required=True)
    connect = tasks.add_parser("connect")
    connect.add_argument("--module", required=True)
    connect.add_argument("--token-label", required=True)
    connect.add_argument("--key-label", required=True)
    connect.add_argument("--hold", action="store_true")
    return parser.parse_args()


def start(args, **options):
    connected = threading.Event()
    options = dict(
        options,
        endpoint="localhost",
        port=args.port,
        ca_filepath=args.ca,
        client_id=getattr(args, "client_id", "sdk"),
        # Without the SDK's pacing for AWS IoT Core, which is 100 messages a second.
        extended_validation_and_flow_control_options=mqtt5.ExtendedValidationAndFlowControlOptions.NONE,
        on_lifecycle_connection_success=lambda data: connected.set(),
    )
    if args.task == "connect":
        client = mqtt5_client_builder.mtls_with_pkcs11(
            pkcs11_lib=io.Pkcs11Lib(file=args.module),
            user_pin="1234",
            token_label=args.token_label,
            private_key_label=args.key_label,
            cert_filepath=args.cert,
            **options,
        )
    else:
        client = mqtt5_client_builder.mtls_from_path(cert_filepath=args.cert, pri_key_filepath=args.key, **options)
    client.start()
    return client, connected


def packet(qos, size):
    return mqtt5.PublishPacket(topic=TOPIC, qos=mqtt5.QoS(qos), payload=b"x" * size)


def publish(args):
    back = threading.Semaphore(0)
    client, connected = start(args, on_publish_received=lambda data: back.release())
    connected.wait(30)
    if args.task == "echo":
        filters = [mqtt5.Subscription(TOPIC, mqtt5.QoS.AT_LEAST_ONCE)]
        client.subscribe(mqtt5.SubscribePacket(filters)).result(30)
    window = threading.Semaphore(args.in_flight)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(args.messages):
        window.acquire()
        client.publish(packet(args.qos, args.bytes)).add_done_callback(lambda future: window.release())
    if args.qos == 0:
        # Behind all the others: the broker has them when it acknowledges this one.
        client.publish(packet(1, args.bytes)).result(60)
    for _ in range(args.in_flight):
        window.acquire()
    if args.task == "echo":
        for _ in range(args.messages):
            back.acquire()
    print(json.dumps({"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}), flush=True)
    client.stop()


def queue(args):
    client, connected = start(args)
    for _ in range(args.messages):
        last = client.publish(packet(args.qos, args.bytes))
    print("queued", flush=True)
    if not connected.wait(300):
        sys.exit("not connected within 300 s")
    begun = time.perf_counter()
    last.result(300)
    print(time.perf_counter() - begun, flush=True)
    client.stop()


def recover(args):
    client, connected = start(args)
    connected.wait(30)
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(0.1):
        client.publish(packet(1, 256)).add_done_callback(acknowledged)
    client.stop()


def acknowledged(future):
    if future.exception() is None:
        print(time.time(), flush=True)


def connect(args):
    client, connected = start(args)
    if not connected.wait(30):
        sys.exit("not connected within 30 s")
    print("connected", flush=True)
    if args.hold:
        sys.stdin.read()
    stopped = threading.Event()
    client.stop()


ended = threading.Event()
args = arguments()
{"publish": publish, "echo": publish, "queue": queue, "recover": recover, "connect": connect}[args.task](args)
