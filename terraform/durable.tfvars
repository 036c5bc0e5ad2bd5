# Survives a Spot kill and a deploy without an outage: RDS, a shared cache, one task on demand and one on Spot, and more
# of them under load. environment, region, images and domain come with the command: see README.md.
database = "rds"
cache    = "elasticache"

task_size = { cpu = 512, memory = 1024 }
capacity  = { min = 2, max = 4, on_demand_base = 1 }

log_retention_days  = 30
access_logs         = true
deletion_protection = true
monthly_budget      = 150
