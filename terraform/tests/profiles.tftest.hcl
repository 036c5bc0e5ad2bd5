# What each setting makes, with every part planned, also those that the fake AWS of tests/terraform cannot create.
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

run "lean" {
  command = plan

  variables {
    database = "efs"
    cache    = "task"
  }

  # R22: one writer. The old task is gone before the new one starts.
  assert {
    condition     = aws_ecs_service.app.deployment_minimum_healthy_percent == 0 && aws_ecs_service.app.deployment_maximum_percent == 100
    error_message = "Two tasks could open the same PostgreSQL directory."
  }
  assert {
    condition     = length(aws_efs_file_system.postgres) == 1 && aws_efs_file_system.postgres[0].encrypted && length(aws_efs_backup_policy.postgres) == 1
    error_message = "The directory must be on an encrypted file system with backups."
  }
  assert {
    condition     = [for volume in aws_ecs_task_definition.app.volume : volume.efs_volume_configuration[0].authorization_config[0].iam if volume.name == "postgres"] == ["ENABLED"]
    error_message = "PostgreSQL's directory must be mounted through the access point."
  }
  assert {
    condition     = [for container in jsondecode(aws_ecs_task_definition.app.container_definitions) : container.name] == ["app", "postgres", "valkey"]
    error_message = "The task has three containers."
  }
  assert {
    condition     = length(aws_db_instance.this) + length(aws_elasticache_replication_group.this) + length(aws_appautoscaling_target.app) == 0
    error_message = "Lean must not pay for RDS, ElastiCache or a second task."
  }
  assert {
    condition     = local.alarms["file-system-credits"].metric == "BurstCreditBalance" && aws_cloudwatch_metric_alarm.this["file-system-credits"].comparison_operator == "LessThanThreshold"
    error_message = "A file system without credits is a slow database, which somebody has to know."
  }
  assert {
    condition     = length(aws_ecs_service.app.alarms) == 0
    error_message = "With one writer nobody serves while it starts: a slow start would be rolled back."
  }
}

run "no_storage" {
  command = plan

  variables {
    database = "task"
  }

  assert {
    condition     = length(aws_efs_file_system.postgres) == 0 && length(aws_iam_role_policy.task) == 0
    error_message = "Without storage there is nothing to mount and nothing that the program may do."
  }
}

run "durable" {
  command = plan

  variables {
    database            = "rds"
    cache               = "elasticache"
    capacity            = { min = 2, max = 4, on_demand_base = 1 }
    access_logs         = true
    deletion_protection = true
    images              = { app = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
  }

  assert {
    condition     = aws_ecs_service.app.deployment_minimum_healthy_percent == 100 && aws_ecs_service.app.deployment_maximum_percent == 200
    error_message = "A new task must be healthy before an old one goes."
  }
  assert {
    condition     = [for item in aws_ecs_service.app.alarms : "${join(" ", sort(item.alarm_names))} ${item.enable} ${item.rollback}"] == ["slipway-test-no-answer slipway-test-server-errors true true"]
    error_message = "A release that answers its health check and fails its clients must be rolled back."
  }
  # What nothing but a release can change, and what has no data before the first task: see alarms.tf.
  assert {
    condition     = alltrue([for name in local.alarms_of_releases : aws_cloudwatch_metric_alarm.this[name].treat_missing_data == "notBreaching"])
    error_message = "Before the first request an alarm of releases must be silent, or the first deployment fails."
  }
  assert {
    condition     = [for container in jsondecode(aws_ecs_task_definition.app.container_definitions) : container.name] == ["app"]
    error_message = "PostgreSQL and Valkey must not run in the task."
  }
  assert {
    condition     = { for strategy in aws_ecs_service.app.capacity_provider_strategy : strategy.capacity_provider => "${coalesce(strategy.base, 0)}/${strategy.weight}" } == { FARGATE = "1/0", FARGATE_SPOT = "0/1" }
    error_message = "The first task runs on demand and all others on Spot."
  }
  assert {
    condition     = aws_appautoscaling_target.app[0].min_capacity == 2 && aws_appautoscaling_target.app[0].max_capacity == 4
    error_message = "Autoscaling must keep to capacity."
  }
  assert {
    condition = alltrue([
      aws_db_instance.this[0].storage_encrypted, aws_db_instance.this[0].deletion_protection, !aws_db_instance.this[0].publicly_accessible,
      aws_db_instance.this[0].backup_retention_period >= 7,
    ])
    error_message = "RDS must be encrypted, private, protected and backed up."
  }
  assert {
    condition     = aws_elasticache_replication_group.this[0].transit_encryption_enabled == "true" || aws_elasticache_replication_group.this[0].transit_encryption_enabled == true
    error_message = "ElastiCache must speak TLS."
  }
  assert {
    condition     = [for variable in jsondecode(aws_ecs_task_definition.app.container_definitions)[0].environment : variable.value if variable.name == "REDIS_URL"] == ["rediss://cache.example.com:6379"]
    error_message = "The app must talk TLS to ElastiCache."
  }
  assert {
    condition     = aws_lb.this.enable_deletion_protection && length(aws_lb.this.access_logs) == 1
    error_message = "The load balancer must be protected and logged."
  }
}

run "rds_with_valkey_in_the_task" {
  command = plan

  variables {
    database = "rds"
  }

  assert {
    condition     = [for container in jsondecode(aws_ecs_task_definition.app.container_definitions) : container.name] == ["app", "valkey"]
    error_message = "PostgreSQL must not run in the task, and Valkey must."
  }
  assert {
    condition     = aws_ecs_service.app.deployment_minimum_healthy_percent == 100 && aws_ecs_service.app.availability_zone_rebalancing == "ENABLED"
    error_message = "With RDS a task can be replaced by one in another zone at any time."
  }
}

run "efs_with_elasticache" {
  command = plan

  variables {
    cache = "elasticache"
  }

  assert {
    condition     = [for container in jsondecode(aws_ecs_task_definition.app.container_definitions) : container.name] == ["app", "postgres"]
    error_message = "Valkey must not run in the task, and PostgreSQL must."
  }
  assert {
    condition     = aws_ecs_service.app.deployment_maximum_percent == 100 && aws_ecs_service.app.availability_zone_rebalancing == "DISABLED"
    error_message = "There is still one writer at a time, and ECS refuses to rebalance with a maximum of 100 %."
  }
}

run "rds_while_it_imports_from_efs" {
  command = plan

  variables {
    database = "rds"
    rds      = { import_from_efs = true }
  }

  assert {
    condition     = length(aws_efs_file_system.postgres) == 1 && length(aws_db_instance.this) == 1
    error_message = "The old data must be kept until they are copied."
  }
  assert {
    condition     = [for container in jsondecode(aws_ecs_task_definition.import[0].container_definitions) : "${container.name} ${container.essential}"] == ["postgres false", "import true"]
    error_message = "The import must start PostgreSQL and end by itself."
  }
  assert {
    condition     = [for container in jsondecode(aws_ecs_task_definition.app.container_definitions) : container.name] == ["app", "valkey"]
    error_message = "The service must use RDS already."
  }
}

run "behind_cloudflare" {
  command = plan

  variables {
    ingress = "cloudflare"
  }

  assert {
    condition     = aws_lb.this.ip_address_type == "dualstack-without-public-ipv4" && length(aws_lb_listener.http) == 0
    error_message = "Behind Cloudflare the load balancer has no public IPv4 address and no plain HTTP."
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.alb_public) == 0 && length(aws_vpc_security_group_ingress_rule.alb_cloudflare) == 7
    error_message = "Nobody but Cloudflare may reach the load balancer."
  }
  assert {
    condition = alltrue([for network in concat(["10.0.0.0/24", "10.0.1.0/24"], local.cloudflare_ipv6_ranges) : strcontains(
      one([for variable in jsondecode(aws_ecs_task_definition.app.container_definitions)[0].environment : variable.value if variable.name == "TRUSTED_PROXIES"]), network,
    )])
    error_message = "The client's address must be believed from the load balancer and from Cloudflare."
  }
}

run "three_zones" {
  command = plan

  variables {
    network = { zones = 3 }
  }

  assert {
    condition     = [for subnet in aws_subnet.public : subnet.cidr_block] == ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"] && length(aws_efs_mount_target.postgres) == 3
    error_message = "Each zone has a public subnet and a way to the file system."
  }
}

run "without_a_domain" {
  command = plan

  variables {
    domain = null
  }

  assert {
    condition     = length(aws_lb_listener.https) == 0 && aws_lb_listener.http[0].default_action[0].type == "forward" && startswith(output.url, "http://")
    error_message = "Without a domain the load balancer answers by HTTP under its own name."
  }
}

run "a_zone_in_route53" {
  command = plan

  variables {
    route53_zone_id = "Z1"
  }

  assert {
    condition     = length(aws_route53_record.app) == 1 && length(aws_route53_record.certificate) == 1 && output.zone_file == null
    error_message = "With a zone the records are made, and nobody is told to make them."
  }
}

run "dns_elsewhere" {
  command = plan

  assert {
    condition     = output.certificate_zone_file == "_proof.api.example.com. 300 IN CNAME _answer.acm-validations.aws.\n" && output.zone_file == "api.example.com. 300 IN CNAME slipway-test-1.elb.example.com.\n"
    error_message = "Without a zone the records are written as zone files."
  }
}

run "told_by_mail" {
  command = plan

  variables {
    alarm_email    = "team@example.com"
    monthly_budget = 50
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "team@example.com"
    error_message = "The address must be subscribed."
  }
  assert {
    condition     = { for notification in aws_budgets_budget.monthly[0].notification : notification.notification_type => notification.threshold } == { ACTUAL = 80, FORECASTED = 100 }
    error_message = "The budget must tell of what was spent and of what is forecast."
  }
}
