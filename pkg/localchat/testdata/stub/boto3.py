"""As much of boto3 as the programs in infra/PROGRAMS.md use, for machines that do not have it."""
import json, urllib.request


class Lambda:
    def __init__(self, endpoint_url):
        self.endpoint = endpoint_url

    def invoke(self, FunctionName, Payload, InvocationType="RequestResponse"):
        request = urllib.request.Request(
            f"{self.endpoint}/2015-03-31/functions/{FunctionName}/invocations", Payload.encode(),
            {"Authorization": "AWS4-HMAC-SHA256 Credential=local", "X-Amz-Invocation-Type": InvocationType})
        return {"Payload": urllib.request.urlopen(request)}


def client(service, endpoint_url=None):
    return Lambda(endpoint_url)
