# GitHub Actions signs in by OIDC: no key is stored anywhere. A role is given to a workflow of exactly one repository in
# exactly one GitHub environment, and that environment's rules (reviewers, branches) decide who gets to use it.
# https://docs.github.com/en/actions/security-for-github-actions/security-hardening-your-deployments

locals {
  github_host = "token.actions.githubusercontent.com"
  # How GitHub calls the repository: with the ids that nobody else can get, in those that were made, renamed or moved since 15 July
  # 2026, and by its names alone in older ones, until their owner chooses otherwise. The same workflow sends the one or the other.
  # https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens
  github_names = try(split("/", var.github_repository), ["", ""])
  github_subjects = compact([
    var.github_repository,
    var.github_ids == null ? "" : "${local.github_names[0]}@${try(var.github_ids.owner, "")}/${local.github_names[1]}@${try(var.github_ids.repository, "")}",
  ])
  github_environments = var.github_repository == null ? toset([]) : setunion(var.environments, ["plan"])
  plan_environment    = contains(var.environments, "staging") ? "staging" : sort(var.environments)[0]
  github_provider_arn = one(concat(
    aws_iam_openid_connect_provider.github[*].arn, data.aws_iam_openid_connect_provider.github[*].arn,
  ))
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_repository != null && !var.github_oidc_provider_exists ? 1 : 0

  url            = "https://${local.github_host}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_openid_connect_provider" "github" {
  count = var.github_repository != null && var.github_oidc_provider_exists ? 1 : 0

  url = "https://${local.github_host}"
}

data "aws_iam_policy_document" "github_trust" {
  for_each = local.github_environments

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.github_provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.github_host}:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.github_host}:sub"
      values   = [for repository in local.github_subjects : "repo:${repository}:environment:${each.key}"]
    }
  }
}

# Reads what a plan of one environment reads: staging where there is one. That includes its secrets, which the provider reads to
# see whether they are there, and a branch runs what it likes: let the GitHub environment "plan" run reviewed branches only,
# or keep nothing in that environment that others must not see.
resource "aws_iam_role" "plan" {
  count = var.github_repository == null ? 0 : 1

  name               = "${var.name}-plan"
  description        = "terraform plan from GitHub, reads only"
  assume_role_policy = data.aws_iam_policy_document.github_trust["plan"].json
}

resource "aws_iam_role_policy_attachment" "plan" {
  count = var.github_repository == null ? 0 : 1

  role       = aws_iam_role.plan[0].name
  policy_arn = aws_iam_policy.read[local.plan_environment].arn
}

resource "aws_iam_role" "deploy" {
  for_each = var.github_repository == null ? [] : var.environments

  name               = "${var.name}-deploy-${each.key}"
  description        = "Deploys ${var.name}-${each.key} from GitHub, and nothing else"
  assume_role_policy = data.aws_iam_policy_document.github_trust[each.key].json
}

resource "aws_iam_role_policy_attachment" "deploy_reads" {
  for_each = aws_iam_role.deploy

  role       = each.value.name
  policy_arn = aws_iam_policy.read[each.key].arn
}

resource "aws_iam_role_policy_attachment" "deploy_writes" {
  for_each = aws_iam_role.deploy

  role       = each.value.name
  policy_arn = aws_iam_policy.write[each.key].arn
}

resource "aws_iam_role_policy_attachment" "deploy_network" {
  for_each = aws_iam_role.deploy

  role       = each.value.name
  policy_arn = aws_iam_policy.network[each.key].arn
}
