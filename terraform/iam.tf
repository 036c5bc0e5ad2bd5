# Two roles. ECS uses the execution role to start the task (pull these images, read these secrets, write these logs); the
# task role is what the program itself may do, which is next to nothing.

locals {
  # bootstrap/ made it: whatever a policy of this stack grants, the boundary is the most that it can mean.
  permissions_boundary = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:policy/${var.name}-boundary"
}

data "aws_iam_policy_document" "assumed_by_tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "execution" {
  name                 = "${local.full_name}-execution"
  description          = "Starts the tasks of ${local.full_name}"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_tasks.json
  permissions_boundary = local.permissions_boundary
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "SignInToTheRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # AWS knows no narrower resource for it
  }
  statement {
    sid       = "PullTheseImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [for repository in data.aws_ecr_repository.this : repository.arn]
  }
  statement {
    sid       = "WriteTheseLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for group in aws_cloudwatch_log_group.containers : "${group.arn}:*"]
  }
  statement {
    sid     = "ReadTheseSecrets"
    actions = ["ssm:GetParameters"]
    resources = concat(
      [aws_ssm_parameter.database_password.arn, aws_ssm_parameter.database_url.arn],
      [for parameter in aws_ssm_parameter.jwt_secret : parameter.arn],
    )
  }
  statement {
    sid       = "DecryptThem"
    actions   = ["kms:Decrypt"]
    resources = ["arn:${data.aws_partition.current.partition}:kms:${var.region}:${data.aws_caller_identity.current.account_id}:key/*"]

    # The account's key for parameters has an id that AWS makes up; it is reached by way of SSM only.
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["ssm.${var.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-tasks"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

resource "aws_iam_role" "task" {
  name                 = "${local.full_name}-task"
  description          = "What the program of ${local.full_name} may do"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_tasks.json
  permissions_boundary = local.permissions_boundary
}

# With RDS and without ECS Exec the program may do nothing at all.
data "aws_iam_policy_document" "task" {
  dynamic "statement" {
    for_each = aws_efs_access_point.postgres

    content {
      sid       = "MountItsDirectory"
      actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
      resources = [statement.value.file_system_arn]

      condition {
        test     = "StringEquals"
        variable = "elasticfilesystem:AccessPointArn"
        values   = [statement.value.arn]
      }
    }
  }

  dynamic "statement" {
    for_each = var.exec ? [true] : []

    content {
      sid = "EcsExec"
      actions = [
        "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
      ]
      resources = ["*"] # AWS knows no narrower resource for it
    }
  }
}

resource "aws_iam_role_policy" "task" {
  count = local.keeps_efs || var.exec ? 1 : 0

  name   = "run"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json
}
