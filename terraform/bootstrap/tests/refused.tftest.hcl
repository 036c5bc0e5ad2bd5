# Settings that cannot work, each refused by the setting that is to be changed.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  region            = "eu-west-2"
  github_repository = "acme/slipway"
}

run "takes_environments_that_are_told_apart" {
  command = plan

  variables {
    environments = ["production", "staging"]
  }

  assert {
    condition     = keys(aws_iam_role.deploy) == ["production", "staging"]
    error_message = "Each environment has a role of its own."
  }
}

run "makes_no_role_for_nobody" {
  command = plan

  variables {
    github_repository = null
  }

  assert {
    condition     = length(aws_iam_role.deploy) + length(aws_iam_role.plan) + length(aws_iam_openid_connect_provider.github) == 0
    error_message = "Without a repository nobody else may deploy."
  }
}

run "refuses_a_name_that_is_too_long" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "slipway-is-too-long"
  }
}

run "refuses_a_region_that_is_none" {
  command         = plan
  expect_failures = [var.region]

  variables {
    region = "London"
  }
}

# Its role would be slipway-deploy-…, and its rights would be those over every deploy role.
run "refuses_an_environment_that_is_named_like_a_role" {
  command         = plan
  expect_failures = [var.environments]

  variables {
    environments = ["deploy"]
  }
}

# What belongs to slipway-prod-… would belong to both.
run "refuses_an_environment_whose_name_begins_another" {
  command         = plan
  expect_failures = [var.environments]

  variables {
    environments = ["prod", "prod-eu"]
  }
}

run "refuses_a_repository_with_a_wildcard" {
  command         = plan
  expect_failures = [var.github_repository]

  variables {
    github_repository = "acme/*"
  }
}
