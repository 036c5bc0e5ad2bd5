"""Which actions of IAM the calls to AWS need: the names of the Service Authorization Reference.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""

import fnmatch

from api_calls import Call

PREFIXES = {"efs": "elasticfilesystem", "elbv2": "elasticloadbalancing"}
# Where an action is not called as its operation.
OF_S3 = {
    "DeleteBucketEncryption": "PutEncryptionConfiguration", "DeleteBucketLifecycle": "PutLifecycleConfiguration", "DeleteObjects": "DeleteObject",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock", "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketCors": "GetBucketCORS", "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration", "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration", "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock", "HeadBucket": "ListBucket", "HeadObject": "GetObject", "ListBuckets": "ListAllMyBuckets",
    "ListObjectVersions": "ListBucketVersions", "ListObjects": "ListBucket", "ListObjectsV2": "ListBucket",
    "PutBucketEncryption": "PutEncryptionConfiguration", "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
# Anybody may, whatever the policies say: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
FREE = {"sts:GetCallerIdentity"}


def needed_actions(call: Call) -> set[str]:
    name = OF_S3.get(call.operation, call.operation) if call.service == "s3" else call.operation
    needed = {f"{PREFIXES.get(call.service, call.service)}:{name}"}
    # Roles that AWS uses in the caller's place have to be given to it.
    if call.operation == "RegisterTaskDefinition" and {"executionRoleArn", "taskRoleArn"} & call.parameters.keys():
        needed.add("iam:PassRole")
    return needed - FREE


def allows(patterns: list[str], action: str) -> bool:
    """As IAM compares: without regard to case, with * and ?."""
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
