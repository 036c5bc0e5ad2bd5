# The cheapest sound shape: one Spot task with its PostgreSQL on EFS. A deploy or a Spot kill stops it for a minute or
# two and loses nothing. environment, region, images and domain come with the command: see README.md.
database = "efs"
cache    = "task"

task_size = { cpu = 512, memory = 1024 }
capacity  = { min = 1, max = 1, on_demand_base = 0 }

log_retention_days  = 7
access_logs         = false
deletion_protection = false
monthly_budget      = 50
