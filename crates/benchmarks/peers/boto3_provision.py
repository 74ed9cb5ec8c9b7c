"""Registers devices with boto3, as a script of an operator would: one after the other. Argument: a directory of certificates (PEM)."""
import json
import pathlib
import sys

import boto3
from botocore.config import Config

iot = boto3.client("iot", config=Config(retries={"mode": "adaptive"}))
policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}]})
try:
    iot.create_policy(policyName="bench", policyDocument=policy)
except iot.exceptions.ResourceAlreadyExistsException:
    pass
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.pem")):
    iot.create_thing(thingName=file.stem)
    answer = iot.register_certificate_without_ca(certificatePem=file.read_text(), status="ACTIVE")
    iot.attach_policy(policyName="bench", target=answer["certificateArn"])
    iot.attach_thing_principal(thingName=file.stem, principal=answer["certificateArn"])
print(iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"])
