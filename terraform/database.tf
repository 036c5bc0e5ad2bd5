# database = "rds": PostgreSQL that outlives every task and is shared by them.

locals {
  # max_connections as RDS sets it by default, DBInstanceClassMemory / 9531392 bytes, of which the class has some less than its
  # memory: about 90 for each GiB, and 80 of the smallest one.
  # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections
  class_memory_gib = {
    "db.t4g.micro" = 0.9, "db.t4g.small" = 2, "db.t4g.medium" = 4, "db.t4g.large" = 8
    "db.m7g.large" = 8, "db.m7g.xlarge" = 16, "db.r7g.large" = 16, "db.r7g.xlarge" = 32
  }
  max_connections = min(5000, floor(90 * lookup(local.class_memory_gib, var.rds.instance_class, 64)))
  # Ten stay for RDS itself, for a person with psql and for a migration.
  connections_for_tasks = local.max_connections - 10
}

resource "aws_db_subnet_group" "this" {
  count = var.database == "rds" ? 1 : 0

  name        = local.full_name
  description = "Private subnets of ${local.full_name}"
  subnet_ids  = [for subnet in aws_subnet.private : subnet.id]
}

resource "aws_db_parameter_group" "this" {
  count = var.database == "rds" ? 1 : 0

  name        = local.full_name
  description = "PostgreSQL of ${local.full_name}"
  family      = "postgres17"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
    # As AWS answers for a value that is its default, too; "immediate" would be a change in every plan
    # (hashicorp/terraform-provider-aws#39252).
    apply_method = "pending-reboot"
  }
}

resource "aws_db_instance" "this" {
  count = var.database == "rds" ? 1 : 0

  identifier     = local.full_name
  engine         = "postgres"
  engine_version = "17" # the newest minor release of it, then upgraded in the weekly window
  instance_class = var.rds.instance_class
  multi_az       = var.rds.multi_az

  storage_type      = "gp3"
  allocated_storage = var.rds.storage_gb
  storage_encrypted = true

  db_name             = "slipway"
  username            = "slipway"
  password_wo         = local.stored_database_password
  password_wo_version = var.secret_versions.database_password

  db_subnet_group_name   = aws_db_subnet_group.this[0].name
  parameter_group_name   = aws_db_parameter_group.this[0].name
  vpc_security_group_ids = [aws_security_group.data["rds"].id]
  publicly_accessible    = false

  backup_retention_period    = var.rds.backup_days
  copy_tags_to_snapshot      = true
  auto_minor_version_upgrade = true
  apply_immediately          = true # a changed setting is live when the apply ends, and not on some night after

  # Taking the protection off is the decision to lose the data; a last snapshot would only make destroy leave something.
  deletion_protection = var.deletion_protection
  skip_final_snapshot = true

  enabled_cloudwatch_logs_exports = ["postgresql"]

  depends_on = [aws_cloudwatch_log_group.database]
}

# RDS would make it itself, keep it for ever and leave it behind.
resource "aws_cloudwatch_log_group" "database" {
  count = var.database == "rds" ? 1 : 0

  name              = "/aws/rds/instance/${local.full_name}/postgresql"
  retention_in_days = var.log_retention_days
}
