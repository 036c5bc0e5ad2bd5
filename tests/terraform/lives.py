"""What is done to the fake AWS, in the order of a real account, with everything the tests want to know noted down."""

from pathlib import Path
from types import SimpleNamespace

from aws import HERE, REGION, ROOT, FakeAws, Terraform

BOOTSTRAP_SETTINGS = ("-var=region=" + REGION, "-var=github_repository=acme/slipway",
                      "-var=github_ids={owner=42,repository=7007}", "-var=route53_zone_id=Z1", '-var=environments=["lean","durable"]')
DOMAIN = "api.example.com"


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def make_bootstrap(aws: FakeAws, folder: Path) -> SimpleNamespace:
    """What the stacks wait for."""
    only_fast = folder / "retries_override.tf"
    only_fast.write_text('provider "aws" {\n  max_retries = 2\n}\n')
    terraform = Terraform(ROOT / "terraform/bootstrap", folder / "bootstrap", aws.environment, (only_fast,))
    seen = SimpleNamespace(terraform=terraform)
    terraform.init()
    terraform.apply(*BOOTSTRAP_SETTINGS)
    seen.changes_of_a_second_plan = terraform.remaining_changes(*BOOTSTRAP_SETTINGS)
    seen.outputs = terraform.outputs()
    seen.bucket = seen.outputs["state_bucket"]
    seen.bucket_policy = aws.client("s3").get_bucket_policy(Bucket=seen.bucket)["Policy"]
    # moto takes the policy at its word and not its condition: it would refuse everybody, with TLS or without.
    aws.client("s3").delete_bucket_policy(Bucket=seen.bucket)
    return seen


def look_at_bootstrap(seen: SimpleNamespace) -> SimpleNamespace:
    """What only the tests of bootstrap wait for."""
    seen.state = seen.terraform.state()
    seen.destruction = seen.terraform.run("plan", "-destroy", *BOOTSTRAP_SETTINGS, accept=(0, 1))
    return seen


def live_stack(aws: FakeAws, folder: Path, bucket: str, profile: str) -> SimpleNamespace:
    seen = SimpleNamespace(profile=profile)
    own_key = aws.environment | {"AWS_ACCESS_KEY_ID": f"deploy-{profile}"}
    terraform = Terraform(ROOT / "terraform", folder / profile, own_key, (HERE / "moto_override.tf",))
    terraform.init(
        f"-backend-config=bucket={bucket}", f"-backend-config=region={REGION}", f"-backend-config=key={profile}/terraform.tfstate"
    )
    settings = [
        f"-var-file={profile}.tfvars", f"-var=environment={profile}", f"-var=region={REGION}", f"-var=domain={DOMAIN}",
        "-var=alarm_email=team@example.com",
        # Or destroy would be refused, as it should: terraform/tests/profiles.tftest.hcl looks at the setting.
        "-var=deletion_protection=false",
    ]

    def images(app: str) -> str:
        return f'-var=images={{app="{digest(app)}",valkey="{digest("b")}",postgres="{digest("c")}"}}'

    if profile == "lean":
        terraform.apply("-target=aws_acm_certificate.this", *settings, images("a"))
        seen.outputs_of_the_certificate = terraform.outputs()

    seen.first_plan = terraform.plan(*settings, images("a"))
    terraform.apply_plan(seen.first_plan)
    seen.state = terraform.state()
    seen.outputs = terraform.outputs()
    seen.secrets_before = secrets(aws, profile)
    seen.changes_of_a_second_plan = terraform.remaining_changes(*settings, images("a"))

    seen.plan_of_a_new_digest = terraform.plan(*settings, images("d"))
    terraform.apply_plan(seen.plan_of_a_new_digest)
    seen.outputs_of_a_new_digest = terraform.outputs()
    seen.changes_after_a_new_digest = terraform.remaining_changes(*settings, images("d"))

    if profile == "lean":
        live_with_locks_and_secrets(aws, terraform, [*settings, images("d")], bucket, seen)

    seen.files = terraform.files() | states(aws, bucket, profile)
    seen.secrets = seen.secrets_before | secrets(aws, profile)

    terraform.run("destroy", "-auto-approve", *settings, images("d"))
    seen.calls = [call for call in aws.calls if call.key == own_key["AWS_ACCESS_KEY_ID"]]
    seen.left_over = left_over(aws, profile)
    return seen


def live_with_locks_and_secrets(aws: FakeAws, terraform: Terraform, settings: list[str], bucket: str, seen: SimpleNamespace) -> None:
    """Somebody else's lock, then each secret replaced."""
    lock = {"Bucket": bucket, "Key": "lean/terraform.tfstate.tflock"}
    holder = b'{"ID":"1","Operation":"OperationTypeApply","Who":"ada@laptop","Version":"1.11.4","Created":"2026-01-01T00:00:00Z","Path":"x"}'
    aws.client("s3").put_object(**lock, Body=holder)
    seen.locked = terraform.run("plan", *settings, accept=(0, 1))
    aws.client("s3").delete_object(**lock)

    jwt = "-var=secret_versions={jwt={signing=2,also_accepted=1}}"
    seen.plan_of_a_new_jwt_secret = terraform.plan(*settings, jwt)
    terraform.apply_plan(seen.plan_of_a_new_jwt_secret)
    seen.secrets_with_a_new_jwt_secret = secrets(aws, "lean")

    both = "-var=secret_versions={jwt={signing=2,also_accepted=1},database_password=2}"
    seen.plan_of_a_new_password = terraform.plan(*settings, both)
    terraform.apply_plan(seen.plan_of_a_new_password)
    seen.secrets_with_a_new_password = secrets(aws, "lean")
    seen.changes_after_new_secrets = terraform.remaining_changes(*settings, both)


def secrets(aws: FakeAws, profile: str) -> dict[str, str]:
    pages = aws.client("ssm").get_paginator("get_parameters_by_path").paginate(
        Path=f"/slipway/{profile}", Recursive=True, WithDecryption=True
    )
    return {item["Name"].removeprefix(f"/slipway/{profile}/"): item["Value"] for page in pages for item in page["Parameters"]}


def states(aws: FakeAws, bucket: str, profile: str) -> dict[str, bytes]:
    """Every version of the state that the bucket keeps."""
    s3 = aws.client("s3")
    versions = s3.list_object_versions(Bucket=bucket, Prefix=f"{profile}/")["Versions"]
    return {
        f"{item['Key']}@{item['VersionId']}": s3.get_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])["Body"].read()
        for item in versions
    }


def left_over(aws: FakeAws, profile: str) -> list[str]:
    """What of the stack is still there, by its tag and, for what moto's tagging service does not know, by its name. ECS
    remembers what was deleted as INACTIVE, here as there; that costs nothing."""
    name = f"slipway-{profile}"
    of_this_stack = [{"Name": "tag:Environment", "Values": [profile]}]
    tagged = aws.client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "Environment", "Values": [profile]}])
    found = [item["ResourceARN"] for item in tagged["ResourceTagMappingList"] if ":ecs:" not in item["ResourceARN"]]
    clusters = aws.client("ecs").describe_clusters(clusters=[name])["clusters"]
    found += [item["clusterArn"] for item in clusters if item["status"] == "ACTIVE" or item["activeServicesCount"]]
    for service, operation, key, own in [
        ("ec2", "describe_vpcs", "Vpcs", {"Filters": of_this_stack}),
        ("ec2", "describe_security_groups", "SecurityGroups", {"Filters": of_this_stack}),
        ("efs", "describe_file_systems", "FileSystems", {}),
        ("elbv2", "describe_load_balancers", "LoadBalancers", {}),
        ("elbv2", "describe_target_groups", "TargetGroups", {}),
        ("rds", "describe_db_instances", "DBInstances", {}),
        ("iam", "list_roles", "Roles", {}),
        ("s3", "list_buckets", "Buckets", {}),
        ("sns", "list_topics", "Topics", {}),
        ("events", "list_rules", "Rules", {}),
        ("cloudwatch", "describe_alarms", "MetricAlarms", {}),
        ("cloudwatch", "list_dashboards", "DashboardEntries", {}),
        ("logs", "describe_log_groups", "logGroups", {"logGroupNamePrefix": f"/slipway/{profile}"}),
        ("logs", "describe_log_groups", "logGroups", {"logGroupNamePrefix": f"/aws/rds/instance/{name}"}),
    ]:
        items = getattr(aws.client(service), operation)(**own)[key]
        found += [f"{service} {item}" for item in items if own or f"'{name}" in str(item) or f":{name}" in str(item)]
    return found + list(secrets(aws, profile))
