# rds.import_from_efs: a task that runs once. It opens the directory on EFS with a PostgreSQL of its own and copies all
# of it into RDS, in one transaction. README.md says when to run it.

resource "aws_ecs_task_definition" "import" {
  count = var.rds.import_from_efs ? 1 : 0

  family                   = "${local.full_name}-import"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 1024
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  container_definitions = jsonencode([
    merge(local.postgres_container, { essential = false }),
    merge(local.container_defaults, {
      name       = "import"
      image      = local.images.postgres
      dependsOn  = [{ containerName = "postgres", condition = "HEALTHY" }]
      entryPoint = ["/bin/sh", "-euc"]
      # The dump is complete before the first row is written, so that a broken one copies nothing.
      command = [join("\n", [
        "pg_dump --clean --if-exists --no-owner --no-privileges -h /run/postgresql -U slipway slipway > /run/postgresql/dump.sql",
        "psql --quiet --single-transaction -v ON_ERROR_STOP=1 -f /run/postgresql/dump.sql \"host=$RDS_HOST user=slipway dbname=slipway sslmode=require\"",
      ])]
      environment      = [{ name = "RDS_HOST", value = aws_db_instance.this[0].address }]
      secrets          = [{ name = "PGPASSWORD", valueFrom = aws_ssm_parameter.database_password.arn }]
      mountPoints      = [{ sourceVolume = "run-postgresql", containerPath = "/run/postgresql", readOnly = false }]
      logConfiguration = local.log_configuration.postgres
    }),
  ])

  dynamic "volume" {
    for_each = local.postgres_volumes

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
