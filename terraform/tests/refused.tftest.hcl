# Settings that cannot work, each refused by the setting that is to be changed.
# ./test terraform runs this in a copy of terraform/ whose secret-values.tf is a stand-in: a mocked provider has no
# ephemeral resources.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  environment = "test"
  region      = "eu-west-2"
  domain      = "api.example.com"
  images = {
    app      = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    valkey   = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    postgres = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
}

run "refuses_a_name_that_a_load_balancer_could_not_bear" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "slipway-is-too-long"
  }
}

run "refuses_an_environment_in_capitals" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = "Production"
  }
}

run "refuses_a_region_that_is_none" {
  command         = plan
  expect_failures = [var.region]

  variables {
    region = "London"
  }
}

run "refuses_a_network_too_small_for_its_subnets" {
  command         = plan
  expect_failures = [var.network]

  variables {
    network = { cidr = "10.0.0.0/24" }
  }
}

run "refuses_a_network_without_a_length" {
  command         = plan
  expect_failures = [var.network]

  variables {
    network = { cidr = "10.0.0.0" }
  }
}

# 16 tasks, 32 during a deploy, with five connections each are 160 of the 71 that the smallest class has for them.
run "refuses_more_connections_than_the_database_has" {
  command         = plan
  expect_failures = [var.database_connections]

  variables {
    database = "rds"
    cache    = "elasticache"
    capacity = { max = 16 }
  }
}

run "refuses_a_pool_without_connections" {
  command         = plan
  expect_failures = [var.database_connections]

  variables {
    database_connections = 0
  }
}

run "refuses_the_top_of_a_zone_without_route_53" {
  command         = plan
  expect_failures = [var.route53_zone_id]

  variables {
    domain = "example.com"
  }
}

run "refuses_one_zone" {
  command         = plan
  expect_failures = [var.network]

  variables {
    network = { zones = 1 }
  }
}

run "refuses_an_unknown_ingress" {
  command         = plan
  expect_failures = [var.ingress]

  variables {
    ingress = "private"
  }
}

run "refuses_cloudflare_without_a_domain" {
  command         = plan
  expect_failures = [var.ingress]

  variables {
    ingress = "cloudflare"
    domain  = null
  }
}

run "refuses_cloudflare_with_a_zone_of_route53" {
  command         = plan
  expect_failures = [var.ingress]

  variables {
    ingress         = "cloudflare"
    route53_zone_id = "Z1"
  }
}

run "refuses_a_domain_with_a_scheme" {
  command         = plan
  expect_failures = [var.domain]

  variables {
    domain = "https://api.example.com"
  }
}

run "refuses_a_zone_without_a_domain" {
  command         = plan
  expect_failures = [var.route53_zone_id]

  variables {
    domain          = null
    route53_zone_id = "Z1"
  }
}

run "refuses_an_origin_with_a_wildcard" {
  command         = plan
  expect_failures = [var.allowed_origins]

  variables {
    allowed_origins = ["https://*.example.com"]
  }
}

run "refuses_an_origin_without_tls" {
  command         = plan
  expect_failures = [var.allowed_origins]

  variables {
    allowed_origins = ["http://app.example.com"]
  }
}

run "refuses_an_unknown_database" {
  command         = plan
  expect_failures = [var.database]

  variables {
    database = "mysql"
  }
}

run "refuses_less_storage_than_rds_sells" {
  command         = plan
  expect_failures = [var.rds]

  variables {
    database = "rds"
    rds      = { storage_gb = 5 }
  }
}

run "refuses_rds_without_backups" {
  command         = plan
  expect_failures = [var.rds]

  variables {
    database = "rds"
    rds      = { backup_days = 0 }
  }
}

run "refuses_an_import_into_no_rds" {
  command         = plan
  expect_failures = [var.rds]

  variables {
    rds = { import_from_efs = true }
  }
}

run "refuses_an_unknown_cache" {
  command         = plan
  expect_failures = [var.cache]

  variables {
    cache = "memcached"
  }
}

run "refuses_a_tag_for_a_digest" {
  command         = plan
  expect_failures = [var.images]

  variables {
    images = { app = "latest", valkey = "latest", postgres = "latest" }
  }
}

run "refuses_valkey_in_the_task_without_its_image" {
  command         = plan
  expect_failures = [var.images]

  variables {
    images = { app = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", postgres = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
  }
}

run "refuses_postgres_in_the_task_without_its_image" {
  command         = plan
  expect_failures = [var.images]

  variables {
    images = { app = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", valkey = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
  }
}

run "refuses_an_import_without_the_image_of_postgres" {
  command         = plan
  expect_failures = [var.images]

  variables {
    database = "rds"
    rds      = { import_from_efs = true }
    images   = { app = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", valkey = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
  }
}

run "refuses_a_task_size_that_fargate_does_not_sell" {
  command         = plan
  expect_failures = [var.task_size]

  variables {
    task_size = { cpu = 256, memory = 4096 }
  }
}

run "refuses_no_task_at_all" {
  command         = plan
  expect_failures = [var.capacity]

  variables {
    capacity = { min = 0 }
  }
}

run "refuses_fewer_tasks_at_most_than_at_least" {
  command         = plan
  expect_failures = [var.capacity]

  variables {
    capacity = { min = 2, max = 1 }
  }
}

run "refuses_more_on_demand_than_there_are_tasks" {
  command         = plan
  expect_failures = [var.capacity]

  variables {
    capacity = { on_demand_base = 2 }
  }
}

run "refuses_two_tasks_with_a_database_each" {
  command         = plan
  expect_failures = [var.capacity]

  variables {
    cache    = "elasticache"
    capacity = { max = 2 }
  }
}

run "refuses_two_tasks_with_a_cache_each" {
  command         = plan
  expect_failures = [var.capacity]

  variables {
    database = "rds"
    capacity = { max = 2 }
  }
}

run "refuses_a_signing_secret_that_is_also_accepted" {
  command         = plan
  expect_failures = [var.secret_versions]

  variables {
    secret_versions = { jwt = { signing = 2, also_accepted = 2 } }
  }
}

run "refuses_a_secret_of_version_zero" {
  command         = plan
  expect_failures = [var.secret_versions]

  variables {
    secret_versions = { database_password = 0 }
  }
}

run "refuses_half_a_version" {
  command         = plan
  expect_failures = [var.secret_versions]

  variables {
    secret_versions = { jwt = { signing = 1.5 } }
  }
}

run "refuses_a_span_that_cloudwatch_does_not_know" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 8
  }
}

run "refuses_an_address_that_is_none" {
  command         = plan
  expect_failures = [var.alarm_email]

  variables {
    alarm_email = "team"
  }
}

run "refuses_a_budget_of_nothing" {
  command         = plan
  expect_failures = [var.monthly_budget]

  variables {
    monthly_budget = 0
  }
}
