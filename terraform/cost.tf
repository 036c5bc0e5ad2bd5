# What the settings cost a month, before anything is created: `terraform plan` prints it. Traffic is what it cannot know,
# so it assumes little of it: 5 % of one load balancer capacity unit, logs within CloudWatch's free 5 GB, alarms within
# the free ten, 1 GB of images and 1 GB on EFS. Not in it: data transfer, backups, S3, DNS zones, taxes.

locals {
  hours = 730
  price = lookup(local.prices, var.region, null)

  tasks_on_demand = min(var.capacity.min, var.capacity.on_demand_base)
  tasks_on_spot   = var.capacity.min - local.tasks_on_demand
  vcpu            = var.task_size.cpu / 1024
  gb              = var.task_size.memory / 1024
  ipv4_addresses  = var.capacity.min + (local.cloudflare ? 0 : var.network.zones)
  rds_copies      = var.rds.multi_az ? 2 : 1

  # Name => dollars a month; null where a price is missing; left out where nothing is used.
  cost_lines = local.price == null ? {} : { for name, dollars in {
    "Fargate on demand (${local.tasks_on_demand} task)" = local.tasks_on_demand * local.hours * (
      local.vcpu * local.price.fargate_vcpu_hour + local.gb * local.price.fargate_gb_hour
    )
    "Fargate Spot (${local.tasks_on_spot} task)" = local.tasks_on_spot * local.hours * (
      local.vcpu * local.price.fargate_spot_vcpu_hour + local.gb * local.price.fargate_spot_gb_hour
    )
    "Load balancer"                                       = local.hours * local.price.alb_hour
    "Load balancer capacity (5 % of a unit)"              = local.hours * local.price.alb_lcu_hour * 0.05
    "Public IPv4 addresses (${local.ipv4_addresses})"     = local.hours * local.price.public_ipv4_hour * local.ipv4_addresses
    "Images (1 GB)"                                       = local.price.registry_gb_month
    "EFS (1 GB)"                                          = !local.keeps_efs ? 0 : local.price.efs_gb_month
    "RDS ${var.rds.instance_class} (${local.rds_copies})" = var.database != "rds" ? 0 : try(local.hours * local.rds_copies * local.price.rds_hour[var.rds.instance_class], null)
    "RDS storage (${var.rds.storage_gb} GB)"              = var.database != "rds" ? 0 : local.rds_copies * var.rds.storage_gb * local.price.rds_gb_month
    "ElastiCache cache.t4g.micro"                         = var.cache != "elasticache" ? 0 : local.hours * local.price.elasticache_hour
  } : name => dollars if dollars == null ? true : dollars > 0 }

  monthly_cost = {
    currency = "USD"
    prices   = local.price == null ? "prices.tf has none for ${var.region}" : "of ${local.prices_as_of} in ${var.region}; ${local.hours} hours, ${var.capacity.min} of at most ${var.capacity.max} tasks"
    lines    = { for name, dollars in local.cost_lines : name => dollars == null ? "price unconfirmed, not in the total" : format("%.2f", dollars) }
    total    = local.price == null ? null : format("%.2f", sum([for dollars in values(local.cost_lines) : coalesce(dollars, 0)]))
  }
}
