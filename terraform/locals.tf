# What the settings mean, said once; the other files ask for these and not for the settings.
locals {
  full_name = "${var.name}-${var.environment}"

  https      = var.domain != null
  cloudflare = var.ingress == "cloudflare"

  postgres_in_task = var.database != "rds"
  valkey_in_task   = var.cache == "task"
  keeps_efs        = var.database == "efs" || var.rds.import_from_efs
  scales           = var.capacity.max > 1

  # PostgreSQL locks its directory on EFS: the old task must be gone before the new one can open it.
  one_writer = var.database == "efs"

  app_port      = 8080
  valkey_port   = 6379
  postgres_port = 5432
  nfs_port      = 2049
}
