# What outlives a task: PostgreSQL's directory on EFS, and the load balancer's access logs in S3.

resource "aws_efs_file_system" "postgres" {
  count = local.keeps_efs ? 1 : 0

  creation_token = "${local.full_name}-postgres"
  encrypted      = true

  tags = { Name = "${local.full_name}-postgres" }
}

resource "aws_efs_mount_target" "postgres" {
  for_each = local.keeps_efs ? aws_subnet.private : {}

  file_system_id  = aws_efs_file_system.postgres[0].id
  subnet_id       = each.value.id
  security_groups = [aws_security_group.data["efs"].id]
}

# Whoever mounts it is user 1000 in one directory, whatever they say they are.
resource "aws_efs_access_point" "postgres" {
  count = local.keeps_efs ? 1 : 0

  file_system_id = aws_efs_file_system.postgres[0].id

  posix_user {
    uid = local.container_user
    gid = local.container_user
  }

  root_directory {
    path = "/postgresql"

    creation_info {
      owner_uid   = local.container_user
      owner_gid   = local.container_user
      permissions = "0700"
    }
  }
}

# Daily, kept 35 days. A backup of a running PostgreSQL is like a power cut: it recovers from its own log.
resource "aws_efs_backup_policy" "postgres" {
  count = local.keeps_efs ? 1 : 0

  file_system_id = aws_efs_file_system.postgres[0].id

  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_efs_file_system_policy" "postgres" {
  count = local.keeps_efs ? 1 : 0

  file_system_id = aws_efs_file_system.postgres[0].id
  policy         = data.aws_iam_policy_document.efs[0].json
}

data "aws_iam_policy_document" "efs" {
  count = local.keeps_efs ? 1 : 0

  statement {
    sid       = "TheTaskThroughTheAccessPoint"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.postgres[0].arn]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.task.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.postgres[0].arn]
    }
  }

  statement {
    sid       = "NobodyWithoutTls"
    effect    = "Deny"
    actions   = ["*"]
    resources = [aws_efs_file_system.postgres[0].arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# The access logs of the load balancer

resource "aws_s3_bucket" "access_logs" {
  count = var.access_logs ? 1 : 0

  bucket        = "${local.full_name}-access-logs-${data.aws_caller_identity.current.account_id}"
  force_destroy = true # logs of a load balancer that is gone
}

resource "aws_s3_bucket_public_access_block" "access_logs" {
  count = var.access_logs ? 1 : 0

  bucket                  = aws_s3_bucket.access_logs[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "access_logs" {
  count = var.access_logs ? 1 : 0

  bucket = aws_s3_bucket.access_logs[0].id

  rule {
    id     = "forget"
    status = "Enabled"

    filter {}

    expiration {
      days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "access_logs" {
  count = var.access_logs ? 1 : 0

  bucket = aws_s3_bucket.access_logs[0].id
  policy = data.aws_iam_policy_document.access_logs[0].json

  depends_on = [aws_s3_bucket_public_access_block.access_logs]
}

data "aws_iam_policy_document" "access_logs" {
  count = var.access_logs ? 1 : 0

  statement {
    sid       = "TheLoadBalancerWrites"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.access_logs[0].arn}/AWSLogs/${data.aws_caller_identity.current.account_id}/*"]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }
  }

  statement {
    sid       = "NobodyWithoutTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.access_logs[0].arn, "${aws_s3_bucket.access_logs[0].arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
