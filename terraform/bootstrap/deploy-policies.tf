# What a deploy role may change: the stack of its environment. Where AWS names resources by us, the names say which; where
# it makes up an id (networks, file systems, certificates), the tags do, which Terraform sets on all of them.

locals {
  regional = "${var.region}:${local.account}"
}

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
      "ecs:RegisterTaskDefinition", "ecs:RunTask", "ecs:StopTask", "ecs:TagResource", "ecs:UpdateCluster", "ecs:UpdateService",
      "elasticache:AddTagsToResource", "elasticache:Create*", "elasticache:Delete*", "elasticache:Modify*",
      "elasticloadbalancing:*",
      "events:DeleteRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource",
      "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:PutRetentionPolicy", "logs:StartLiveTail", "logs:TagResource",
      "rds:AddTagsToResource", "rds:CreateDB*", "rds:DeleteDB*", "rds:ModifyDB*",
      "s3:CreateBucket", "s3:DeleteBucket*", "s3:DeleteObject*", "s3:ListBucketVersions", "s3:PutBucket*", "s3:PutLifecycleConfiguration",
      "sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:Unsubscribe",
      "ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:PutParameter",
    ]
    resources = [
      "arn:${local.partition}:budgets::${local.account}:budget/${var.name}-${each.key}-*",
      "arn:${local.partition}:cloudwatch:${local.regional}:alarm:${var.name}-${each.key}-*",
      "arn:${local.partition}:cloudwatch::${local.account}:dashboard/${var.name}-${each.key}",
      "arn:${local.partition}:ecs:${local.regional}:*/${var.name}-${each.key}",
      "arn:${local.partition}:ecs:${local.regional}:*/${var.name}-${each.key}/*",
      "arn:${local.partition}:ecs:${local.regional}:task-definition/${var.name}-${each.key}*:*",
      "arn:${local.partition}:elasticache:${local.regional}:*:${var.name}-${each.key}*",
      "arn:${local.partition}:elasticloadbalancing:${local.regional}:*/${var.name}-${each.key}/*",
      "arn:${local.partition}:events:${local.regional}:rule/${var.name}-${each.key}-*",
      "arn:${local.partition}:logs:${local.regional}:log-group:/${var.name}/${each.key}/*",
      "arn:${local.partition}:rds:${local.regional}:*:${var.name}-${each.key}*",
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
  }
  statement {
    sid       = "RolesWithoutPolicies"
    actions   = ["iam:DeleteRole", "iam:TagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole"]
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

resource "aws_iam_policy" "network" {
  for_each = aws_iam_role.deploy

  name        = "${var.name}-network-${each.key}"
  description = "Changes the tagged resources of ${var.name}-${each.key}"
  policy      = data.aws_iam_policy_document.network[each.key].json
}

data "aws_iam_policy_document" "network" {
  for_each = var.environments

  # What is new must carry the tags, and what is there must have them. AWS asks both of, say, a new subnet in a VPC.
  dynamic "statement" {
    for_each = { New = "aws:RequestTag", There = "aws:ResourceTag" }

    content {
      sid = "Tagged${statement.key}"
      actions = [
        "acm:AddTagsToCertificate", "acm:DeleteCertificate", "acm:RequestCertificate",
        "application-autoscaling:DeleteScalingPolicy", "application-autoscaling:DeregisterScalableTarget", "application-autoscaling:PutScalingPolicy",
        "application-autoscaling:RegisterScalableTarget", "application-autoscaling:TagResource",
        "ec2:Associate*", "ec2:AttachInternetGateway", "ec2:Authorize*", "ec2:CreateInternetGateway", "ec2:CreateRoute*", "ec2:CreateSecurityGroup",
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
        variable = "${statement.value}/Project"
        values   = [var.name]
      }
      condition {
        test     = "StringEquals"
        variable = "${statement.value}/Environment"
        values   = [each.key]
      }
    }
  }
  statement {
    sid       = "DnsRecords"
    actions   = ["route53:ChangeResourceRecordSets"]
    resources = ["arn:${local.partition}:route53:::hostedzone/*"]

    # The API's record and ACM's proof of it, in whatever zone; no mail, no delegation.
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "route53:ChangeResourceRecordSetsRecordTypes"
      values   = ["A", "AAAA", "CNAME"]
    }
  }
  statement {
    sid       = "OldTaskDefinitions"
    actions   = ["ecs:DeregisterTaskDefinition"]
    resources = ["*"] # AWS knows no narrower resource for it
  }
  statement {
    sid       = "RolesOfAwsServices"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/aws-service-role/*"]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values = [
        "ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com", "elasticache.amazonaws.com",
        "elasticfilesystem.amazonaws.com", "elasticloadbalancing.amazonaws.com", "rds.amazonaws.com",
      ]
    }
  }
}
