# What Terraform reads to compare a stack with its state. Descriptions carry no data of users; the two things that do,
# states and secrets, are named, and are those of one environment.
resource "aws_iam_policy" "read" {
  for_each = var.github_repository == null ? toset([]) : var.environments

  name        = "${var.name}-read-${each.key}"
  description = "Reads the stack of ${var.name}-${each.key}"
  policy      = data.aws_iam_policy_document.read[each.key].json
}

data "aws_iam_policy_document" "read" {
  for_each = var.environments

  statement {
    sid = "Describe"
    actions = [
      "acm:DescribeCertificate", "acm:ListCertificates", "acm:ListTagsForCertificate",
      "application-autoscaling:Describe*", "application-autoscaling:ListTagsForResource",
      "budgets:ViewBudget", "budgets:ListTagsForResource",
      "cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource",
      "ec2:Describe*",
      "ecr:GetAuthorizationToken",
      "ecs:Describe*", "ecs:List*",
      "elasticache:Describe*", "elasticache:ListTagsForResource",
      "elasticfilesystem:Describe*", "elasticfilesystem:ListTagsForResource",
      "elasticloadbalancing:Describe*",
      "events:Describe*", "events:List*",
      "logs:Describe*", "logs:ListTagsForResource",
      "rds:Describe*", "rds:ListTagsForResource",
      "route53:GetChange", "route53:GetHostedZone", "route53:ListResourceRecordSets",
      "secretsmanager:GetRandomPassword",
      "sns:GetSubscriptionAttributes",
      "ssm:DescribeParameters", "ssm:ListTagsForResource",
      "sts:GetCallerIdentity",
    ]
    resources = ["*"] # most of these take no resource, and none tells what users stored
  }
  statement {
    sid       = "Images"
    actions   = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:ListImages", "ecr:ListTagsForResource"]
    resources = [for repository in aws_ecr_repository.this : repository.arn]
  }
  statement {
    sid       = "Roles"
    actions   = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-*"]
  }
  statement {
    sid       = "Topics"
    actions   = ["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:ListTagsForResource"]
    resources = ["arn:${local.partition}:sns:${var.region}:${local.account}:${var.name}-*"]
  }
  statement {
    sid       = "Buckets"
    actions   = ["s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetAccelerateConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${var.name}-*-${local.account}"]
  }
  statement {
    sid       = "States"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.state.arn}/${each.key}/terraform.tfstate"]
  }
  statement {
    sid       = "Secrets"
    actions   = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = ["arn:${local.partition}:ssm:${var.region}:${local.account}:parameter/${var.name}/${each.key}/*"]
  }
}
