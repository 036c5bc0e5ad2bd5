# What a deploy role may change: the stack of its environment. Where AWS names resources by us, the names say which; where
# it makes up an id (networks, file systems, certificates), the tags do, which Terraform sets on all of them. AWS's own
# default groups for RDS and ElastiCache are asked for as well when nothing else is named; nobody can change those.

locals {
  regional = "${var.region}:${local.account}"
}

# The named ones

resource "aws_iam_policy" "write" {
  for_each = aws_iam_role.deploy

  name        = "${var.name}-write-${each.key}"
  description = "Changes the named resources of ${var.name}-${each.key}"
  policy      = data.aws_iam_policy_document.write[each.key].json
}

data "aws_iam_policy_document" "write" {
  for_each = var.environments

  statement {
    sid       = "State"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.state.arn}/${each.key}/terraform.tfstate"]
  }
  statement {
    sid       = "StateLock"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.state.arn}/${each.key}/terraform.tfstate.tflock"]
  }
  statement {
    sid       = "PushImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"]
    resources = [for repository in aws_ecr_repository.this : repository.arn]
  }
  statement {
    sid = "Named"
    actions = [
      "budgets:ModifyBudget", "budgets:TagResource",
      "cloudwatch:DeleteAlarms", "cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource",
      "ecs:CreateCluster", "ecs:CreateService", "ecs:DeleteCluster", "ecs:DeleteService", "ecs:ExecuteCommand", "ecs:PutClusterCapacityProviders",
      "ecs:RunTask", "ecs:StopTask", "ecs:TagResource", "ecs:UpdateCluster", "ecs:UpdateService",
      "elasticache:AddTagsToResource", "elasticache:Create*", "elasticache:Delete*", "elasticache:Modify*",
      "elasticloadbalancing:*",
      "events:DeleteRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource",
      "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:PutRetentionPolicy", "logs:StartLiveTail", "logs:TagResource",
      "rds:AddTagsToResource", "rds:CreateDB*", "rds:DeleteDB*", "rds:ModifyDB*",
      "s3:CreateBucket", "s3:DeleteBucket*", "s3:DeleteObject*", "s3:ListBucketVersions", "s3:PutBucket*", "s3:PutLifecycleConfiguration",
      "sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource",
      "ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:PutParameter",
    ]
    resources = [
      "arn:${local.partition}:budgets::${local.account}:budget/${var.name}-${each.key}-*",
      "arn:${local.partition}:cloudwatch:${local.regional}:alarm:${var.name}-${each.key}-*",
      # Which scaling by a target makes in the caller's name.
      # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/auto-scaling-IAM.html
      "arn:${local.partition}:cloudwatch:${local.regional}:alarm:TargetTracking-service/${var.name}-${each.key}/*",
      "arn:${local.partition}:cloudwatch::${local.account}:dashboard/${var.name}-${each.key}",
      "arn:${local.partition}:ecs:${local.regional}:*/${var.name}-${each.key}",
      "arn:${local.partition}:ecs:${local.regional}:*/${var.name}-${each.key}/*",
      "arn:${local.partition}:ecs:${local.regional}:task-definition/${var.name}-${each.key}*:*",
      "arn:${local.partition}:elasticache:${local.regional}:*:${var.name}-${each.key}*",
      "arn:${local.partition}:elasticache:${local.regional}:parametergroup:default.valkey*",
      "arn:${local.partition}:elasticloadbalancing:${local.regional}:*/${var.name}-${each.key}/*",
      "arn:${local.partition}:events:${local.regional}:rule/${var.name}-${each.key}-*",
      "arn:${local.partition}:logs:${local.regional}:log-group:/${var.name}/${each.key}/*",
      "arn:${local.partition}:logs:${local.regional}:log-group:/aws/rds/instance/${var.name}-${each.key}/*",
      "arn:${local.partition}:rds:${local.regional}:*:${var.name}-${each.key}*",
      "arn:${local.partition}:rds:${local.regional}:og:default:postgres-*",
      "arn:${local.partition}:s3:::${var.name}-${each.key}-access-logs-${local.account}",
      "arn:${local.partition}:s3:::${var.name}-${each.key}-access-logs-${local.account}/*",
      "arn:${local.partition}:sns:${local.regional}:${var.name}-${each.key}-*",
      "arn:${local.partition}:ssm:${local.regional}:parameter/${var.name}/${each.key}/*",
    ]
  }
  statement {
    sid       = "RolesWithinTheBoundary"
    actions   = ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-${each.key}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [aws_iam_policy.boundary.arn]
    }
    # The boundary goes by this tag.
    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:RequestTag/Environment"
      values   = [each.key]
    }
  }
  statement {
    sid       = "TagsOfRoles"
    actions   = ["iam:TagRole"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-${each.key}-*"]

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:RequestTag/Environment"
      values   = [each.key]
    }
  }
  statement {
    sid       = "RolesWithoutPolicies"
    actions   = ["iam:DeleteRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-${each.key}-*"]
  }
  statement {
    sid       = "GiveRolesToTasksOnly"
    actions   = ["iam:PassRole"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-${each.key}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# The tagged ones

resource "aws_iam_policy" "network" {
  for_each = aws_iam_role.deploy

  name        = "${var.name}-network-${each.key}"
  description = "Changes the tagged resources of ${var.name}-${each.key}"
  policy      = data.aws_iam_policy_document.network[each.key].json
}

locals {
  # What is made, with the stack's tags in the request. Only the new thing itself is named here: a subnet of its own in
  # another stack's VPC fails, because the VPC has to carry the tags as well ("There").
  makes = {
    Parts = {
      actions   = ["ec2:CreateInternetGateway", "ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateSubnet"]
      resources = [for kind in ["internet-gateway", "route-table", "security-group", "subnet"] : "ec2:${local.regional}:${kind}/*"]
    }
    Vpc = {
      actions   = ["ec2:CreateVpc"]
      resources = ["ec2:${local.regional}:vpc/*"]
    }
    Others = {
      actions = ["application-autoscaling:RegisterScalableTarget", "ec2:AuthorizeSecurityGroup*", "ec2:CreateVpcEndpoint"]
      resources = [
        "application-autoscaling:${local.regional}:scalable-target/*", "ec2:${local.regional}:security-group-rule/*", "ec2:${local.regional}:vpc-endpoint/*",
      ]
    }
    Unnamed = {
      actions   = ["acm:RequestCertificate", "ecs:RegisterTaskDefinition", "elasticfilesystem:CreateFileSystem"]
      resources = ["*"] # AWS knows no narrower resource for these
    }
  }

  # Whoever could tag anything could make anything theirs. So tags are given to what is being made ...
  tags = {
    Ec2 = { action = "ec2:CreateTags", resource = "ec2:${local.regional}:*/*", unless_null = "ec2:CreateAction" }
    Efs = { action = "elasticfilesystem:TagResource", resource = "elasticfilesystem:${local.regional}:*/*", unless_null = "elasticfilesystem:CreateAction" }
  }
  # ... and, where AWS does not tell that, to what belongs to no stack, such as the security group that comes with a VPC.
  tags_of_nobody = {
    actions   = ["acm:AddTagsToCertificate", "application-autoscaling:TagResource", "ec2:CreateTags"]
    resources = ["acm:${local.regional}:certificate/*", "application-autoscaling:${local.regional}:scalable-target/*", "ec2:${local.regional}:security-group/*"]
  }
}

data "aws_iam_policy_document" "network" {
  for_each = var.environments

  dynamic "statement" {
    for_each = merge(
      { for name, make in local.makes : "Make${name}" => merge(make, { null = {} }) },
      { for name, tag in local.tags : "Tag${name}" => { actions = [tag.action], resources = [tag.resource], null = { (tag.unless_null) = "false" } } },
      { TagNobodys = merge(local.tags_of_nobody, { null = { "aws:ResourceTag/Project" = "true" } }) },
    )

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = [for resource in statement.value.resources : resource == "*" ? "*" : "arn:${local.partition}:${resource}"]

      condition {
        test     = "StringEquals"
        variable = "aws:RequestTag/Project"
        values   = [var.name]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:RequestTag/Environment"
        values   = [each.key]
      }
      dynamic "condition" {
        for_each = statement.value.null

        content {
          test     = "Null"
          variable = condition.key
          values   = [condition.value]
        }
      }
    }
  }

  # What is there and carries the tags.
  statement {
    sid = "There"
    actions = [
      "acm:AddTagsToCertificate", "acm:DeleteCertificate",
      "application-autoscaling:DeleteScalingPolicy", "application-autoscaling:DeregisterScalableTarget", "application-autoscaling:PutScalingPolicy",
      "application-autoscaling:RegisterScalableTarget", "application-autoscaling:TagResource",
      "ec2:Associate*", "ec2:AttachInternetGateway", "ec2:Authorize*", "ec2:CreateNetworkInterface", "ec2:CreateRoute*", "ec2:CreateSecurityGroup",
      "ec2:CreateSubnet", "ec2:CreateTags", "ec2:CreateVpc*", "ec2:DeleteInternetGateway", "ec2:DeleteRoute*", "ec2:DeleteSecurityGroup",
      "ec2:DeleteSubnet", "ec2:DeleteTags", "ec2:DeleteVpc*", "ec2:Detach*", "ec2:Disassociate*", "ec2:ModifySecurityGroupRules",
      "ec2:ModifySubnetAttribute", "ec2:ModifyVpc*", "ec2:Revoke*", "ec2:UpdateSecurityGroupRuleDescriptions*",
      "elasticfilesystem:Create*", "elasticfilesystem:Delete*", "elasticfilesystem:Put*", "elasticfilesystem:TagResource", "elasticfilesystem:UpdateFileSystem",
    ]
    resources = [
      "arn:${local.partition}:acm:${local.regional}:certificate/*",
      "arn:${local.partition}:application-autoscaling:${local.regional}:scalable-target/*",
      "arn:${local.partition}:ec2:${local.regional}:*/*",
      "arn:${local.partition}:elasticfilesystem:${local.regional}:*/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Project"
      values   = [var.name]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [each.key]
    }
  }
  # EFS makes a mount target's network interface in the caller's name, and without tags. One in use cannot be deleted.
  statement {
    sid       = "MountTargets"
    actions   = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"]
    resources = ["arn:${local.partition}:ec2:${local.regional}:network-interface/*"]
  }
  dynamic "statement" {
    for_each = var.route53_zone_id == null ? [] : [var.route53_zone_id]

    content {
      sid       = "DnsRecords"
      actions   = ["route53:ChangeResourceRecordSets"]
      resources = ["arn:${local.partition}:route53:::hostedzone/${statement.value}"]

      # The API's record and ACM's proof of it; no mail, no delegation.
      condition {
        test     = "ForAllValues:StringEquals"
        variable = "route53:ChangeResourceRecordSetsRecordTypes"
        values   = ["A", "AAAA", "CNAME"]
      }
    }
  }
  statement {
    sid       = "RemoveUnnamed"
    actions   = ["ecs:DeregisterTaskDefinition", "sns:Unsubscribe"]
    resources = ["*"] # AWS knows no narrower resource for these
  }
}
