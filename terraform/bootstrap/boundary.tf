# The most that a role of a stack can ever do, whatever its own policies say. Deploy roles may create roles only with this
# boundary, so that nobody who can deploy can give themselves more. Logs and secrets are those of the environment that the role
# is tagged with, which a deploy role can only make its own.
resource "aws_iam_policy" "boundary" {
  name        = "${var.name}-boundary"
  description = "The most that the roles of ${var.name}'s stacks may do"
  policy      = data.aws_iam_policy_document.boundary.json
}

data "aws_iam_policy_document" "boundary" {
  statement {
    sid       = "StartTasks"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [for repository in aws_ecr_repository.this : repository.arn]
  }
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/${var.name}/$${aws:PrincipalTag/Environment}/*"]
  }
  statement {
    sid       = "ReadSecrets"
    actions   = ["ssm:GetParameters"]
    resources = ["arn:${local.partition}:ssm:${var.region}:${local.account}:parameter/${var.name}/$${aws:PrincipalTag/Environment}/*"]
  }
  statement {
    sid       = "DecryptSecrets"
    actions   = ["kms:Decrypt"]
    resources = ["arn:${local.partition}:kms:${var.region}:${local.account}:key/*"]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["ssm.${var.region}.amazonaws.com"]
    }
  }
  statement {
    sid       = "MountFileSystems"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = ["arn:${local.partition}:elasticfilesystem:${var.region}:${local.account}:file-system/*"]
  }
  statement {
    sid = "SignInAndEcsExec"
    actions = [
      "ecr:GetAuthorizationToken",
      "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"] # AWS knows no narrower resource for these
  }
}
