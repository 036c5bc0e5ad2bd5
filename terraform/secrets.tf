# Secrets live in SSM parameters, which are free and encrypted by the account's own key, and reach a container by
# reference. No file of Terraform holds a value (secret-values.tf).

locals {
  secret_path = "/${var.name}/${var.environment}"

  jwt_versions = toset([for version in compact([
    var.secret_versions.jwt.signing, var.secret_versions.jwt.also_accepted,
  ]) : tostring(version)])

  database_url = (
    var.database == "rds"
    ? "postgres://slipway:${local.stored_database_password}@${aws_db_instance.this[0].address}:${local.postgres_port}/slipway?sslmode=require"
    : "postgres://slipway:${local.stored_database_password}@127.0.0.1:${local.postgres_port}/slipway?sslmode=disable"
  )
}

# One parameter for each version, never changed: naming another version changes the task definition, which replaces the
# service, and a rollback still finds the version that it signs with.
resource "aws_ssm_parameter" "jwt_secret" {
  for_each = local.jwt_versions

  name             = "${local.secret_path}/jwt-secret/${each.key}"
  description      = "JWT_SECRET or JWT_SECRET_PREVIOUS, version ${each.key}"
  type             = "SecureString"
  value_wo         = local.generated_jwt_secrets[each.key]
  value_wo_version = 1
}

# One parameter for all versions, because the database knows one password: a rollback must get the newest, too. The
# version in the containers' labels is what replaces the service.
resource "aws_ssm_parameter" "database_password" {
  name             = "${local.secret_path}/database-password"
  description      = "The password of the user slipway in PostgreSQL"
  type             = "SecureString"
  value_wo         = local.generated_database_password
  value_wo_version = var.secret_versions.database_password
}

# Named by the kind of database, so that moving to RDS writes a new one.
resource "aws_ssm_parameter" "database_url" {
  name             = "${local.secret_path}/database-url/${var.database == "rds" ? "rds" : "task"}"
  description      = "DATABASE_URL"
  type             = "SecureString"
  value_wo         = local.database_url
  value_wo_version = var.secret_versions.database_password
}
