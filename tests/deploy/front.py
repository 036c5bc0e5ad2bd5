"""ECS and ECR as AWS answers them, in front of moto: moto keeps what is made, and starts no task, follows no rollout and
holds no image. A rollout goes one step further each time that the AWS CLI looks at the service."""

import itertools
import json
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from aws import FakeAws

ACCOUNT = "123456789012"
ECR_HOST = f"{ACCOUNT}.dkr.ecr.eu-west-2.amazonaws.com"
WHO = f"arn:aws:sts::{ACCOUNT}:assumed-role/engineers/ada"


class Service:
    """One service of ECS, and how its next rollouts go."""

    def __init__(self, name: str, front: "Front") -> None:
        self.name, self.front = name, front
        self.deployments: list[dict] = []
        self.events: list[dict] = []
        self.tasks: list[dict] = []
        self.steps = iter(())
        self.desired = 1
        self.next_rollouts: list[str] = []
        self.next_exit_codes: list[int] = []
        self.runs: list[dict] = []

    # What happens to it

    def begin(self, definition: str) -> None:
        for deployment in self.deployments:
            deployment["status"] = "ACTIVE"
        self.deployments.insert(0, self.deployment(definition))
        kind = self.next_rollouts.pop(0) if self.next_rollouts else "healthy"
        self.steps = getattr(self, kind)(self.deployments[0])

    def scale(self, desired: int) -> None:
        self.desired = desired
        definition = self.deployments[0]["taskDefinition"]
        for task in [task for task in self.running()][desired:]:
            self.stop(task, "Scaling activity initiated by deployment")
        while len(self.running()) < desired:
            self.start(definition)

    def run(self, definition: str, asked: dict) -> dict:
        """A task that ends by itself as soon as somebody looks."""
        task = self.start(definition)
        self.tasks.remove(task)  # it is not one of the service's
        exit_code = self.next_exit_codes.pop(0) if self.next_exit_codes else 0
        self.runs.append({"task": task, "asked": asked, "deployments": [item["taskDefinition"] for item in self.deployments]})
        if exit_code:
            self.front.write_log(self.name, task["taskArn"].split("/")[-1], ["slipway: DATABASE_URL could not be migrated (deadlock)"])
        began = task | {"lastStatus": "PROVISIONING"}
        self.stop(task, "Essential container in task exited", exit_code)
        return began

    def step(self) -> None:
        next(self.steps, None)

    # How a rollout can go

    def healthy(self, deployment: dict, digest: str | None = None):
        self.say(f"has started {self.desired} tasks: (task 1).")
        yield
        self.stop_all("Scaling activity initiated by deployment")
        for _ in range(self.desired):
            self.start(deployment["taskDefinition"], digest)
        self.say("registered 1 targets in (target-group arn:aws:elasticloadbalancing:tg).")
        yield
        self.complete(deployment)

    def another_digest(self, deployment: dict):
        yield from self.healthy(deployment, "sha256:" + "f" * 64)

    def rolled_back(self, deployment: dict):
        before = next(item["taskDefinition"] for item in self.deployments[1:])
        yield from self.failing_tasks(deployment, 2)
        deployment |= {"status": "ACTIVE", "rolloutState": "FAILED", "rolloutStateReason": "ECS deployment circuit breaker: tasks failed to start."}
        self.say(f"(deployment {deployment['id']}) deployment failed: tasks failed to start.")
        again = self.deployment(before)
        again["rolloutStateReason"] = f"ECS deployment circuit breaker: rolling back to deploymentId {again['id']}."
        self.deployments.insert(0, again)
        self.say(f"rolling back to deployment {again['id']}.")
        yield
        yield from self.healthy(again)

    def taken_over(self, deployment: dict):
        """Somebody else deploys meanwhile."""
        yield
        before = next(item["taskDefinition"] for item in self.deployments[1:])
        self.deployments.insert(0, self.deployment(before))
        deployment["status"] = "ACTIVE"
        yield

    def never_healthy(self, deployment: dict):
        self.stop_all("Scaling activity initiated by deployment")
        self.start(deployment["taskDefinition"])
        for _ in itertools.count():
            self.say("(port 8080) is unhealthy in (target-group arn:aws:elasticloadbalancing:tg) due to (reason Health checks failed).")
            yield

    def failing_tasks(self, deployment: dict, count: int):
        for _ in range(count):
            task = self.start(deployment["taskDefinition"])
            self.say(f"has started 1 tasks: (task {task['taskArn'].split('/')[-1]}).")
            yield
            self.front.write_log(self.name, task["taskArn"].split("/")[-1], ["starting", "error: DATABASE_URL is not a database's address"])
            self.stop(task, "Essential container in task exited", exit_code=1)
            deployment["failedTasks"] += 1
            yield

    def complete(self, deployment: dict) -> None:
        deployment |= {"rolloutState": "COMPLETED", "rolloutStateReason": f"ECS deployment {deployment['id']} completed."}
        self.deployments = [deployment]
        self.say(f"(deployment {deployment['id']}) deployment completed.")
        self.say("has reached a steady state.")

    # The parts

    def deployment(self, definition: str) -> dict:
        now = time.time()
        return {
            "id": f"ecs-svc/{next(self.front.numbers)}", "status": "PRIMARY", "taskDefinition": definition, "failedTasks": 0,
            "rolloutState": "IN_PROGRESS", "rolloutStateReason": "ECS deployment in progress.", "createdAt": now, "updatedAt": now,
        }

    def say(self, text: str) -> None:
        event = {"id": f"event-{next(self.front.numbers)}", "createdAt": time.time(), "message": f"(service {self.name}) {text}"}
        self.events.insert(0, event)

    def start(self, definition: str, digest: str | None = None) -> dict:
        number = f"{next(self.front.numbers):032x}"
        images = self.front.images_of(definition)
        containers = [
            {"name": name, "image": image, "imageDigest": digest if digest and name == "app" else image.split("@")[1], "lastStatus": "RUNNING"}
            for name, image in images.items()
        ]
        task = {
            "taskArn": f"arn:aws:ecs:eu-west-2:{ACCOUNT}:task/{self.name}/{number}", "taskDefinitionArn": definition,
            "lastStatus": "RUNNING", "desiredStatus": "RUNNING", "containers": containers, "createdAt": time.time(),
        }
        self.tasks.append(task)
        return task

    def stop(self, task: dict, reason: str, exit_code: int = 0) -> None:
        task |= {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stoppedReason": reason, "stoppedAt": time.time()}
        for container in task["containers"]:
            container |= {"lastStatus": "STOPPED", "exitCode": exit_code if container["name"] == "app" else 0}

    def stop_all(self, reason: str) -> None:
        for task in self.running():
            self.stop(task, reason)

    def running(self) -> list[dict]:
        return [task for task in self.tasks if task["lastStatus"] == "RUNNING"]

    def described(self, of_moto: dict) -> dict:
        deployments = []
        for item in self.deployments:
            count = sum(1 for task in self.running() if task["taskDefinitionArn"] == item["taskDefinition"])
            deployments.append(item | {"desiredCount": self.desired, "runningCount": count, "pendingCount": 0})
        return of_moto | {
            "deployments": deployments, "events": self.events[:100], "desiredCount": self.desired, "runningCount": len(self.running()),
            "taskDefinition": self.deployments[0]["taskDefinition"],
        }


class Refused(Exception):
    """What AWS answers with status 400."""


class Server(ThreadingHTTPServer):
    # Terraform connects ten times at once; Python's default is 5.
    request_queue_size = 128


class Front:
    def __init__(self, aws: FakeAws, registry) -> None:
        self.aws, self.registry = aws, registry
        self.behind = urlsplit(aws.url).netloc
        self.services: dict[str, Service] = {}
        self.registered: dict[str, float] = {}
        self.numbers = itertools.count(1)
        self.lock = threading.RLock()
        self.server = Server(("127.0.0.1", 0), type("Handler", (Handler,), {"front": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.server.shutdown()

    def service(self, name: str) -> Service:
        return self.services.setdefault(name, Service(name, self))

    def images_of(self, definition: str) -> dict[str, str]:
        answer = self.aws.client("ecs").describe_task_definition(taskDefinition=definition)
        return {item["name"]: item["image"] for item in answer["taskDefinition"]["containerDefinitions"]}

    def write_log(self, service: str, task: str, lines: list[str], container: str = "app") -> None:
        logs = self.aws.client("logs")
        name, environment = service.split("-", 1)
        place = {"logGroupName": f"/{name}/{environment}/{container}", "logStreamName": f"task/{container}/{task}"}
        logs.create_log_stream(**place)
        now = int(time.time() * 1000)
        logs.put_log_events(**place, logEvents=[{"timestamp": now, "message": line} for line in lines])

    # What is added to moto's answers: a method for each operation

    def CreateService(self, asked: dict, answer: dict, _) -> dict:
        service = self.service(asked["serviceName"])
        service.desired = asked.get("desiredCount", 1)
        service.begin(answer["service"]["taskDefinition"])
        return answer | {"service": service.described(answer["service"])}

    def UpdateService(self, asked: dict, answer: dict, _) -> dict:
        service = self.service(asked["service"].split("/")[-1])
        if "taskDefinition" in asked or asked.get("forceNewDeployment"):
            service.begin(answer["service"]["taskDefinition"])
        if "desiredCount" in asked and asked["desiredCount"] != service.desired:
            service.scale(asked["desiredCount"])
        return answer | {"service": service.described(answer["service"])}

    def DescribeServices(self, _, answer: dict, by_cli: bool) -> dict:
        for index, item in enumerate(answer.get("services", [])):
            service = self.services.get(item["serviceName"])
            if service and item["status"] == "ACTIVE":
                if by_cli:
                    service.step()
                answer["services"][index] = service.described(item)
        return answer

    def RunTask(self, asked: dict, answer: dict, by_cli: bool) -> dict:
        """A task that belongs to no service. Of what AWS refuses, what a caller can get wrong here.
        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html"""
        service = self.service(asked["cluster"].split("/")[-1])
        definition = asked["taskDefinition"]
        if not asked.get("networkConfiguration", {}).get("awsvpcConfiguration", {}).get("subnets"):
            raise Refused("InvalidParameterException", "Network Configuration must be provided when networkMode 'awsvpc' is specified.")
        for override in asked.get("overrides", {}).get("containerOverrides", []):
            if override["name"] not in self.images_of(definition):
                raise Refused("InvalidParameterException", "Override for container named %s is not a container in the TaskDefinition." % override["name"])
        return {"tasks": [service.run(definition, asked)], "failures": []}

    def ListTasks(self, asked: dict, _, __) -> dict:
        service = self.service(asked["serviceName"].split("/")[-1])
        status = asked.get("desiredStatus", "RUNNING")
        return {"taskArns": [task["taskArn"] for task in service.tasks if task["desiredStatus"] == status]}

    def DescribeTasks(self, asked: dict, _, __) -> dict:
        tasks = [task for item in self.services.values() for task in [*item.tasks, *(run["task"] for run in item.runs)]]
        return {"tasks": [task for task in tasks if task["taskArn"] in asked["tasks"]], "failures": []}

    def RegisterTaskDefinition(self, _, answer: dict, __) -> dict:
        self.registered[answer["taskDefinition"]["taskDefinitionArn"]] = time.time()
        return answer

    def DescribeTaskDefinition(self, _, answer: dict, __) -> dict:
        arn = answer["taskDefinition"]["taskDefinitionArn"]
        answer["taskDefinition"] |= {"registeredAt": self.registered.get(arn, 0.0), "registeredBy": WHO}
        return answer

    def ListTaskDefinitions(self, asked: dict, answer: dict, _) -> dict:
        if asked.get("sort") == "DESC":
            answer["taskDefinitionArns"].sort(key=lambda arn: int(arn.split(":")[-1]), reverse=True)
        return answer

    def BatchCheckLayerAvailability(self, asked: dict, _, __) -> dict:
        def layer(digest: str) -> dict:
            there = self.registry.has(f"{asked['repositoryName']}/blobs/{digest}")
            return {"layerDigest": digest, "layerAvailability": "AVAILABLE" if there else "UNAVAILABLE"}

        return {"layers": [layer(digest) for digest in asked["layerDigests"]], "failures": []}


class Handler(BaseHTTPRequestHandler):
    front: Front
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """GitHub's API, for the numbers of a repository. https://docs.github.com/en/rest/repos/repos#get-a-repository"""
        known = self.path == "/github/repos/acme/slipway"
        content = json.dumps({"id": 7007, "owner": {"id": 42}} if known else {"message": "Not Found"}).encode()
        self.send_response_only(200 if known else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        operation = self.headers.get("X-Amz-Target", "").split(".")[-1]
        added = getattr(self.front, operation, None) if operation[:1].isupper() else None
        status, headers, content = self.ask_moto(body)
        only_here = operation in ("RunTask", "ListTasks", "DescribeTasks", "BatchCheckLayerAvailability")
        if added and (status == 200 or only_here):
            with self.front.lock:
                answer = {} if only_here else json.loads(content)
                by_cli = self.headers.get("User-Agent", "").startswith("aws-cli")
                try:
                    status, answer = 200, added(json.loads(body or b"{}"), answer, by_cli)
                except Refused as refused:
                    status, answer = 400, {"__type": refused.args[0], "message": refused.args[1]}
                content = json.dumps(answer, default=str).encode()
        # The registry that ECR says it is.
        content = content.replace(ECR_HOST.encode(), self.front.registry.address.encode())
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def ask_moto(self, body: bytes):
        connection = HTTPConnection(self.front.behind, timeout=60)
        connection.request("POST", self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), content

    def log_message(self, *_) -> None:
        pass
