# The task: one network namespace, in which app, Valkey and PostgreSQL meet on 127.0.0.1. Every container is an
# unprivileged user on a read-only root file system.

data "aws_ecr_repository" "this" {
  for_each = toset([for name, digest in var.images : name if digest != null])

  name = "${var.name}/${each.key}"
}

resource "aws_cloudwatch_log_group" "containers" {
  for_each = toset(compact(["app", local.valkey_in_task ? "valkey" : "", local.postgres_in_task || local.keeps_efs ? "postgres" : ""]))

  name              = "${local.secret_path}/${each.key}"
  retention_in_days = var.log_retention_days
}

locals {
  container_user = 1000
  images         = { for name, repository in data.aws_ecr_repository.this : name => "${repository.repository_url}@${var.images[name]}" }

  # Whose X-Forwarded-For is believed: the load balancer's, and what Cloudflare says to it.
  trusted_proxies = concat(
    [for subnet in aws_subnet.public : subnet.cidr_block], local.cloudflare ? local.cloudflare_ipv6_ranges : [],
  )

  container_defaults = {
    essential              = true
    user                   = "${local.container_user}:${local.container_user}"
    readonlyRootFilesystem = !var.exec
    stopTimeout            = local.timeouts.stop
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
  }

  # A log service that is slow or away must not stop the app: beyond 4 MB lines are dropped.
  log_configuration = {
    for name, group in aws_cloudwatch_log_group.containers : name => {
      logDriver = "awslogs"
      options = {
        awslogs-region        = var.region
        awslogs-group         = group.name
        awslogs-stream-prefix = "task"
        mode                  = "non-blocking"
        max-buffer-size       = "4m"
      }
    }
  }

  app_container = merge(local.container_defaults, {
    name              = "app"
    image             = local.images.app
    memoryReservation = 128
    portMappings      = [{ containerPort = local.app_port, hostPort = local.app_port, protocol = "tcp" }]
    mountPoints       = [{ sourceVolume = "run-slipway", containerPath = "/run/slipway", readOnly = false }]
    # Started beside PostgreSQL, whose first start and wait for the task before may take longer than the 120 s for which a
    # container on Fargate waits for another one (startTimeout): the app waits itself, and says so to whoever asks.
    dependsOn = [for name in keys(local.sidecars) : { containerName = name, condition = name == "postgres" ? "START" : "HEALTHY" }]

    environment = [for name, value in {
      SLIPWAY_ENV = "production"

      REDIS_URL       = local.redis_url
      TRUSTED_PROXIES = join(",", local.trusted_proxies)
      ALLOWED_ORIGINS = join(",", var.allowed_origins)
      DRAIN_SECONDS   = tostring(local.timeouts.drain)

      DATABASE_MAX_CONNECTIONS  = tostring(var.database_connections)
      DATABASE_PATIENCE_SECONDS = tostring(local.postgres_in_task ? local.timeouts.postgres_give_up : local.timeouts.rds_give_up)
    } : { name = name, value = value }]

    secrets = [for name, parameter in merge(
      {
        DATABASE_URL = aws_ssm_parameter.database_url
        JWT_SECRET   = aws_ssm_parameter.jwt_secret[var.secret_versions.jwt.signing]
      },
      var.secret_versions.jwt.also_accepted == null ? {} : {
        JWT_SECRET_PREVIOUS = aws_ssm_parameter.jwt_secret[var.secret_versions.jwt.also_accepted]
      },
    ) : { name = name, valueFrom = parameter.arn }]

    dockerLabels     = { database-password-version = tostring(var.secret_versions.database_password) }
    logConfiguration = local.log_configuration.app

    healthCheck = {
      command     = ["CMD", "/bin/slipway", "healthcheck", "--address", "127.0.0.1:${local.app_port}"]
      interval    = 5
      timeout     = 3
      retries     = 3
      startPeriod = 60 # as long as the app waits for its database
    }
  })

  # Valkey and PostgreSQL are started again in place when they end, for the app gets by until then.
  restart_in_place = { enabled = true, restartAttemptPeriod = 60 }

  valkey_container = !local.valkey_in_task ? null : merge(local.container_defaults, {
    name              = "valkey"
    image             = local.images.valkey
    memoryReservation = 64
    restartPolicy     = local.restart_in_place
    logConfiguration  = local.log_configuration.valkey

    healthCheck = {
      command     = ["CMD", "/bin/valkey-cli", "ping"]
      interval    = 5
      timeout     = 3
      retries     = 3
      startPeriod = 10
    }
  })

  postgres_container = !(local.postgres_in_task || local.keeps_efs) ? null : merge(local.container_defaults, {
    name              = "postgres"
    image             = local.images.postgres
    memoryReservation = 192 # what its postgresql.conf is laid out for
    restartPolicy     = local.restart_in_place
    mountPoints = [
      { sourceVolume = "postgres", containerPath = "/var/lib/postgresql", readOnly = false },
      { sourceVolume = "run-postgresql", containerPath = "/run/postgresql", readOnly = false },
    ]
    secrets          = [{ name = "POSTGRES_PASSWORD", valueFrom = aws_ssm_parameter.database_password.arn }]
    dockerLabels     = { database-password-version = tostring(var.secret_versions.database_password) }
    logConfiguration = local.log_configuration.postgres

    healthCheck = {
      command     = ["CMD", "/bin/pg_isready", "-q", "-h", "/run/postgresql"]
      interval    = 5
      timeout     = 5
      retries     = 3
      startPeriod = local.timeouts.postgres_start
    }
  })

  sidecars = {
    for name, container in { postgres = local.postgres_in_task ? local.postgres_container : null, valkey = local.valkey_container }
    : name => container if container != null
  }

  # Name => whether it is on EFS; the others are empty directories that end with the task.
  postgres_volumes = { postgres = { efs = local.keeps_efs }, run-postgresql = { efs = false } }
  task_volumes     = merge({ run-slipway = { efs = false } }, local.postgres_in_task ? local.postgres_volumes : {})
}

resource "aws_ecs_task_definition" "app" {
  family                   = local.full_name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.task_size.cpu
  memory                   = var.task_size.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode(concat([local.app_container], values(local.sidecars)))
  skip_destroy             = true # ECS rolls back to the one before, which must stay registered; it costs nothing

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  dynamic "volume" {
    for_each = local.task_volumes

    content {
      name = volume.key

      dynamic "efs_volume_configuration" {
        for_each = volume.value.efs ? aws_efs_access_point.postgres : []
        iterator = access_point

        content {
          file_system_id     = access_point.value.file_system_id
          transit_encryption = "ENABLED"

          authorization_config {
            access_point_id = access_point.value.id
            iam             = "ENABLED"
          }
        }
      }
    }
  }
}
