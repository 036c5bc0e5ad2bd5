# What no setting may change.
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

run "plaintext_and_rights_in_the_task" {
  command = plan

  variables {
    secret_versions = { jwt = { signing = 2, also_accepted = 1 } }
  }

  # R24: images by digest.
  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.app.container_definitions) : can(regex("@sha256:[0-9a-f]{64}$", container.image))])
    error_message = "Every image must be named by its digest."
  }

  # R25: no secret in plain text, and two roles.
  assert {
    condition = alltrue(flatten([for container in jsondecode(aws_ecs_task_definition.app.container_definitions) : [
      for variable in lookup(container, "environment", []) : !can(regex("(SECRET|PASSWORD|DATABASE_URL|TOKEN)", variable.name))
    ]]))
    error_message = "A secret stands in the environment."
  }
  assert {
    condition     = !strcontains(aws_ecs_task_definition.app.container_definitions, "generated-") && !strcontains(aws_ecs_task_definition.app.container_definitions, "stored-password")
    error_message = "The value of a secret stands in the task definition."
  }
  assert {
    condition     = join(" ", sort([for secret in jsondecode(aws_ecs_task_definition.app.container_definitions)[0].secrets : secret.name])) == "DATABASE_URL JWT_SECRET JWT_SECRET_PREVIOUS"
    error_message = "The app needs exactly these secrets."
  }
  assert {
    condition     = aws_iam_role.execution.name != aws_iam_role.task.name
    error_message = "What starts the task and what the program may do are different roles."
  }

  # R26: least rights in a container.
  assert {
    condition = alltrue([for container in jsondecode(aws_ecs_task_definition.app.container_definitions) :
      container.readonlyRootFilesystem && container.user == "1000:1000" && container.linuxParameters.capabilities.drop == ["ALL"]
    ])
    error_message = "Every container is an unprivileged user without capabilities on a read-only root file system."
  }
  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.app.container_definitions) : container.healthCheck.command[0] == "CMD" && container.stopTimeout == 120])
    error_message = "Every container has a health check without a shell, and time to stop."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.app.container_definitions)[0].dependsOn == [{ condition = "START", containerName = "postgres" }, { condition = "HEALTHY", containerName = "valkey" }]
    error_message = "The app starts after its data, waits itself for PostgreSQL, and stops before both."
  }
  assert {
    condition     = aws_ecs_task_definition.app.runtime_platform[0].cpu_architecture == "ARM64" && !aws_ecs_service.app.enable_execute_command
    error_message = "The task runs on ARM64, and nobody looks into it by default."
  }

  # R23: a deploy that fails is rolled back.
  assert {
    condition     = aws_ecs_service.app.deployment_circuit_breaker[0].enable && aws_ecs_service.app.deployment_circuit_breaker[0].rollback
    error_message = "The circuit breaker must be on."
  }
}

run "load_balancer" {
  command = plan

  # R27
  assert {
    condition     = startswith(aws_lb_listener.https[0].ssl_policy, "ELBSecurityPolicy-TLS13-1-2-") && aws_lb.this.drop_invalid_header_fields && aws_lb.this.desync_mitigation_mode == "defensive" && aws_lb.this.enable_deletion_protection
    error_message = "TLS 1.2 or newer, no invalid headers, no request smuggling, not deleted by accident."
  }
  assert {
    condition     = aws_lb_listener.http[0].default_action[0].redirect[0].status_code == "HTTP_301" && aws_lb_listener.http[0].default_action[0].redirect[0].protocol == "HTTPS"
    error_message = "HTTP must be redirected to HTTPS."
  }
  assert {
    condition     = tonumber(regex("max-age=([0-9]+)", aws_lb_listener.https[0].routing_http_response_strict_transport_security_header_value)[0]) >= 31536000
    error_message = "HSTS must last a year at least."
  }
  assert {
    condition     = [for check in aws_lb_target_group.app.health_check : "${check.path} ${check.interval} ${check.healthy_threshold}/${check.unhealthy_threshold}"] == ["/health 5 2/2"]
    error_message = "A task is in service after two good answers, and out of it after two bad ones."
  }
  assert {
    condition     = tonumber(aws_lb_target_group.app.deregistration_delay) == 5 && output.timeouts.drain == 0
    error_message = "With one writer each second of draining is a second of outage."
  }
}

run "draining_where_another_task_takes_over" {
  command = plan

  variables {
    database = "rds"
  }

  assert {
    condition     = tonumber(aws_lb_target_group.app.deregistration_delay) == 15 && output.timeouts.drain == 20
    error_message = "The load balancer must have forgotten a task before it stops answering."
  }
}

# R28, over every kind of data at once.
run "security_groups" {
  command = plan

  variables {
    database = "rds"
    cache    = "elasticache"
    rds      = { import_from_efs = true }
  }

  override_resource {
    target          = aws_security_group.alb
    override_during = plan
    values          = { id = "sg-alb" }
  }
  override_resource {
    target          = aws_security_group.task
    override_during = plan
    values          = { id = "sg-task" }
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.task_from_alb.referenced_security_group_id == "sg-alb" && aws_vpc_security_group_ingress_rule.task_from_alb.from_port == 8080 && aws_vpc_security_group_ingress_rule.task_from_alb.to_port == 8080
    error_message = "Only the load balancer may reach a task, on one port."
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.data_from_task : rule.referenced_security_group_id == "sg-task" && rule.from_port == rule.to_port])
    error_message = "Only tasks may reach the data, each on one port."
  }
  assert {
    condition     = { for name, rule in aws_vpc_security_group_ingress_rule.data_from_task : name => rule.from_port } == { cache = 6379, efs = 2049, rds = 5432 }
    error_message = "Each kind of data listens on its own port."
  }
  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.alb_public : "${rule.cidr_ipv4}:${rule.from_port}"] == ["0.0.0.0/0:80", "0.0.0.0/0:443"]
    error_message = "The load balancer alone is open to anyone, on 80 and 443."
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.task_to_aws.from_port == 443 && aws_vpc_security_group_egress_rule.task_to_aws.to_port == 443
    error_message = "A task goes out by HTTPS only."
  }
}

run "exec_is_a_choice_with_a_price" {
  command = plan

  variables {
    exec = true
  }

  assert {
    condition     = aws_ecs_service.app.enable_execute_command && !jsondecode(aws_ecs_task_definition.app.container_definitions)[0].readonlyRootFilesystem
    error_message = "ECS Exec needs a writable root file system, as the setting says."
  }
}

