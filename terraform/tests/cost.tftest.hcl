# What the settings cost, worked out by hand from prices.tf: hours 730, and each line rounded only when it is shown.
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

run "lean_in_london" {
  command = plan

  # (0.5 * 0.01117 + 0.00123) * 730 = 4.975; ALB 19.316 and 0.307; three addresses 10.95; images 0.10: 35.647
  assert {
    condition     = output.monthly_cost.total == "35.65"
    error_message = "Lean costs 35.65 dollars in eu-west-2, and not ${output.monthly_cost.total}."
  }
  # Three addresses: one in each of two zones for the load balancer, and the task's.
  assert {
    condition     = output.monthly_cost.lines["Public IPv4 addresses (3)"] == "10.95"
    error_message = "Public IPv4 addresses are part of the price."
  }
  assert {
    condition     = output.monthly_cost.lines["EFS (1 GB)"] == "price unconfirmed, not in the total"
    error_message = "A price that nobody confirmed must be said to be missing."
  }
}

run "lean_in_virginia" {
  command = plan

  variables {
    region = "us-east-1"
  }

  # (0.5 * 0.01030969 + 0.00113349) * 730 = 4.591; ALB 16.425 and 0.292; addresses 10.95; images 0.10; EFS 0.30: 32.658
  assert {
    condition     = output.monthly_cost.total == "32.66"
    error_message = "Lean costs 32.66 dollars in us-east-1, and not ${output.monthly_cost.total}."
  }
}

run "lean_behind_cloudflare" {
  command = plan

  variables {
    ingress = "cloudflare"
  }

  # Two addresses fewer: 35.647 - 7.30
  assert {
    condition     = output.monthly_cost.total == "28.35"
    error_message = "Behind Cloudflare lean costs 28.35 dollars, and not ${output.monthly_cost.total}."
  }
}

run "lean_behind_cloudflare_in_virginia" {
  command = plan

  variables {
    region  = "us-east-1"
    ingress = "cloudflare"
  }

  # 32.658 - 7.30
  assert {
    condition     = output.monthly_cost.total == "25.36"
    error_message = "Behind Cloudflare lean costs 25.36 dollars in us-east-1, and not ${output.monthly_cost.total}."
  }
}

run "durable_in_london" {
  command = plan

  variables {
    database = "rds"
    cache    = "elasticache"
    capacity = { min = 2, max = 4, on_demand_base = 1 }
  }

  # Spot 4.975, on demand 16.582; ALB 19.316 and 0.307; four addresses 14.60; images 0.10; RDS 13.14 and 2.66;
  # ElastiCache 10.512: 82.192
  assert {
    condition     = output.monthly_cost.total == "82.19"
    error_message = "Durable costs 82.19 dollars in eu-west-2, and not ${output.monthly_cost.total}."
  }
}

run "durable_in_virginia" {
  command = plan

  variables {
    region   = "us-east-1"
    database = "rds"
    cache    = "elasticache"
    capacity = { min = 2, max = 4, on_demand_base = 1 }
  }

  # Spot 4.591, on demand 14.417; ALB 16.425 and 0.292; addresses 14.60; images 0.10; RDS 11.68 and 2.30; 9.344: 73.749
  assert {
    condition     = output.monthly_cost.total == "73.75"
    error_message = "Durable costs 73.75 dollars in us-east-1, and not ${output.monthly_cost.total}."
  }
}

run "two_zones_double_rds" {
  command = plan

  variables {
    database = "rds"
    rds      = { multi_az = true }
  }

  # Lean without EFS, which has no price there, and twice (13.14 + 2.66)
  assert {
    condition     = output.monthly_cost.total == "67.25"
    error_message = "RDS in two zones costs twice as much: 67.25 dollars, and not ${output.monthly_cost.total}."
  }
}

run "a_region_without_prices" {
  command = plan

  variables {
    region = "eu-north-1"
  }

  assert {
    condition     = output.monthly_cost.total == null && strcontains(output.monthly_cost.prices, "has none for eu-north-1")
    error_message = "Where no prices are known, no total must be told."
  }
}
