# Every setting of the stack. Prices are for eu-west-2 and a month of 730 hours; `terraform plan` prints the estimate of
# your own settings as the output monthly_cost.

# What and where

variable "name" {
  description = "Names every resource, and the repositories and roles that bootstrap/ made under the same name."
  type        = string
  default     = "slipway"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,10}[a-z0-9]$", var.name))
    error_message = "name is 3 to 12 lower-case letters, digits or hyphens, because a load balancer's name holds 32 characters: it is \"${var.name}\"."
  }
}

variable "environment" {
  description = "Which copy of the stack this is, such as production or staging. Each has a state of its own and is billed on its own."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,10}[a-z0-9]$", var.environment))
    error_message = "environment is 3 to 12 lower-case letters, digits or hyphens: it is \"${var.environment}\"."
  }
}

variable "region" {
  description = "The AWS region. Moving a stack to another one means a new stack: nothing is carried over. Prices are known for those in prices.tf."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is the name of an AWS region, such as the one of your account's console: it is \"${var.region}\"."
  }
}

variable "network" {
  description = "The VPC's block, and in how many availability zones the load balancer listens. In public ingress each zone costs one public IPv4 address: $3.65."
  type = object({
    cidr  = optional(string, "10.0.0.0/16")
    zones = optional(number, 2)
  })
  default  = {}
  nullable = false

  validation {
    condition     = try(cidrsubnet(var.network.cidr, 8, 255) != "" && contains(range(16, 21), tonumber(split("/", var.network.cidr)[1])), false)
    error_message = "network.cidr is an IPv4 block of /16 to /20, from which every subnet gets a 256th: it is \"${var.network.cidr}\"."
  }
  validation {
    condition     = contains([2, 3], var.network.zones)
    error_message = "network.zones is 2 or 3, because a load balancer needs at least two: it is ${var.network.zones}."
  }
}

# Who reaches it

variable "ingress" {
  description = "public: the load balancer has public IPv4 addresses, two of them cost $7.30. cloudflare: it has none, only Cloudflare reaches it (by IPv6), and the domain must be proxied there."
  type        = string
  default     = "public"
  nullable    = false

  validation {
    condition     = contains(["public", "cloudflare"], var.ingress)
    error_message = "ingress is public or cloudflare: it is \"${var.ingress}\"."
  }
  validation {
    condition     = var.ingress != "cloudflare" || var.domain != null
    error_message = "ingress = \"cloudflare\" needs a domain, because Cloudflare connects by HTTPS: set domain, or ingress = \"public\"."
  }
  validation {
    condition     = var.ingress != "cloudflare" || var.route53_zone_id == null
    error_message = "ingress = \"cloudflare\" needs the domain's DNS at Cloudflare: remove route53_zone_id, or set ingress = \"public\"."
  }
}

variable "domain" {
  description = "The API's name, such as api.example.com. null serves plain HTTP on the load balancer's own name, for a first try only: everyone on the way reads it, and browsers drop the refresh cookie."
  type        = string
  default     = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain))
    error_message = "domain is a host name without scheme, port or path, such as api.example.com: it is \"${coalesce(var.domain, "-")}\"."
  }
}

variable "route53_zone_id" {
  description = "The Route 53 zone that holds the domain; a zone costs $0.50. null leaves the records to you: see the outputs certificate_zone_file and zone_file."
  type        = string
  default     = null

  validation {
    condition     = var.route53_zone_id == null || var.domain != null
    error_message = "route53_zone_id is set and domain is not: set the domain whose records the zone shall hold, or remove route53_zone_id."
  }
  validation {
    condition     = var.route53_zone_id != null || !local.is_apex
    error_message = "domain ${coalesce(var.domain, "-")} is the top of its zone, where DNS allows no CNAME (RFC 1034): take a name below it, such as api.${coalesce(var.domain, "-")}, or set route53_zone_id, whose zone has another way."
  }
}

variable "allowed_origins" {
  description = "Origins of pages elsewhere that may call the API with the user's cookies. Each one is trusted with every session."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.allowed_origins : can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", origin))])
    error_message = "allowed_origins holds origins such as https://app.example.com, without a path, a wildcard or a trailing slash: it is ${jsonencode(var.allowed_origins)}."
  }
}

# Where the data is

variable "database" {
  description = "efs: PostgreSQL in the task on EFS, which survives deploys and Spot kills; one writer, so each deploy stops it for a minute or two. rds: no outage, $15.80 more. task: no storage, ALL DATA IS GONE ON EVERY DEPLOY AND SPOT KILL."
  type        = string
  default     = "efs"
  nullable    = false

  validation {
    condition     = contains(["task", "efs", "rds"], var.database)
    error_message = "database is task, efs or rds: it is \"${var.database}\"."
  }
}

variable "rds" {
  description = "For database = \"rds\". multi_az doubles the price and survives the loss of a zone. import_from_efs keeps the EFS of database = \"efs\" and adds a task that copies it: see README.md."
  type = object({
    instance_class  = optional(string, "db.t4g.micro")
    storage_gb      = optional(number, 20)
    multi_az        = optional(bool, false)
    backup_days     = optional(number, 7)
    import_from_efs = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.rds.storage_gb >= 20
    error_message = "rds.storage_gb is at least 20, the least that RDS sells: it is ${var.rds.storage_gb}."
  }
  validation {
    condition     = var.rds.backup_days >= 1 && var.rds.backup_days <= 35
    error_message = "rds.backup_days is 1 to 35, and without backups there is no way back: it is ${var.rds.backup_days}."
  }
  validation {
    condition     = !var.rds.import_from_efs || var.database == "rds"
    error_message = "rds.import_from_efs copies into RDS: set database = \"rds\" with it, or remove it."
  }
}

variable "database_connections" {
  description = "Connections that a task keeps to its database. More let more queries run at once, and each costs PostgreSQL 2 to 10 MB; with rds those of all tasks, twice as many during a deploy, must fit into the instance class."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.database_connections >= 1 && floor(var.database_connections) == var.database_connections
    error_message = "database_connections is a whole number from 1: it is ${var.database_connections}."
  }
  validation {
    condition = var.database != "rds" ? true : (
      2 * var.capacity.max * var.database_connections <= local.connections_for_tasks
    )
    error_message = "${var.capacity.max} tasks, twice as many during a deploy, with ${var.database_connections} connections each are more than the ${local.connections_for_tasks} that ${var.rds.instance_class} has for them: lower capacity.max or database_connections, or take a larger rds.instance_class."
  }
}

variable "cache" {
  description = "task: Valkey in the task; a new task starts with an empty one, and no session is lost. elasticache: one that tasks share, $10.51 more."
  type        = string
  default     = "task"
  nullable    = false

  validation {
    condition     = contains(["task", "elasticache"], var.cache)
    error_message = "cache is task or elasticache: it is \"${var.cache}\"."
  }
}

# What runs

variable "images" {
  description = "Digests in the repositories NAME/app, NAME/valkey and NAME/postgres of this account. A digest never changes what it means, a tag may."
  type = object({
    app      = string
    valkey   = optional(string)
    postgres = optional(string)
  })
  nullable = false

  validation {
    condition     = alltrue([for digest in values(var.images) : digest == null || can(regex("^sha256:[0-9a-f]{64}$", digest))])
    error_message = "images holds digests, sha256: and 64 hexadecimal digits, and no tags: it is ${jsonencode(var.images)}."
  }
  validation {
    condition     = var.cache != "task" || var.images.valkey != null
    error_message = "cache = \"task\" runs Valkey in the task: set images.valkey, or cache = \"elasticache\"."
  }
  validation {
    condition     = (var.database == "rds" && !var.rds.import_from_efs) || var.images.postgres != null
    error_message = "PostgreSQL runs in a task with database = \"${var.database}\"${var.rds.import_from_efs ? " and rds.import_from_efs" : ""}: set images.postgres, or database = \"rds\" alone."
  }
}

variable "task_size" {
  description = "vCPU in 1024ths and memory in MB of a task, ARM64. On Spot 512 and 1024 cost $4.97, on demand $16.58. All three containers share it."
  type = object({
    cpu    = optional(number, 512)
    memory = optional(number, 1024)
  })
  default  = {}
  nullable = false

  validation {
    condition = contains(lookup({
      256  = [512, 1024, 2048]
      512  = [for gb in range(1, 5) : gb * 1024]
      1024 = [for gb in range(2, 9) : gb * 1024]
      2048 = [for gb in range(4, 17) : gb * 1024]
      4096 = [for gb in range(8, 31) : gb * 1024]
    }, var.task_size.cpu, []), var.task_size.memory)
    error_message = "task_size is a pair that Fargate sells, such as cpu 256 with memory 512, 512 with 1024 or 1024 with 2048: it is ${var.task_size.cpu} with ${var.task_size.memory}."
  }
}

variable "capacity" {
  description = "How many tasks: min to max by load, of which the first on_demand_base run on demand and the others on Spot, which AWS ends with two minutes' warning (at 512/1024, $11.61 more for each on demand)."
  type = object({
    min            = optional(number, 1)
    max            = optional(number, 1)
    on_demand_base = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.capacity.min >= 1 && var.capacity.min <= var.capacity.max
    error_message = "capacity.min is at least 1 and at most capacity.max: they are ${var.capacity.min} and ${var.capacity.max}. To stop paying for tasks, set the service's desired count to 0."
  }
  validation {
    condition     = var.capacity.on_demand_base >= 0 && var.capacity.on_demand_base <= var.capacity.max
    error_message = "capacity.on_demand_base is 0 to capacity.max (${var.capacity.max}), at which every task runs on demand: it is ${var.capacity.on_demand_base}."
  }
  validation {
    condition     = var.capacity.max == 1 || (var.database == "rds" && var.cache == "elasticache")
    error_message = "capacity.max = ${var.capacity.max} needs data that tasks share, and each would have its own with database = \"${var.database}\" and cache = \"${var.cache}\": set database = \"rds\" and cache = \"elasticache\", or capacity.max = 1."
  }
}

variable "secret_versions" {
  description = "Raise a number to have a new secret generated; the service is then replaced. jwt.also_accepted keeps the tokens of another version valid. See README.md for the order."
  type = object({
    jwt = optional(object({
      signing       = optional(number, 1)
      also_accepted = optional(number)
    }), {})
    database_password = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.secret_versions.jwt.also_accepted == null ? true : var.secret_versions.jwt.also_accepted != var.secret_versions.jwt.signing
    error_message = "secret_versions.jwt.also_accepted is the version that signs, ${var.secret_versions.jwt.signing}, and is accepted anyway: name another, or remove it."
  }
  validation {
    condition = alltrue([
      for version in [var.secret_versions.jwt.signing, coalesce(var.secret_versions.jwt.also_accepted, 1), var.secret_versions.database_password] :
      version >= 1 && floor(version) == version
    ])
    error_message = "secret_versions are whole numbers from 1: they are ${jsonencode(var.secret_versions)}."
  }
}

# How it is watched and guarded

variable "log_retention_days" {
  description = "How long CloudWatch keeps the logs: 0.03 dollars a GB and month; writing a GB costs 0.60 after the first five."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days is one of the spans that CloudWatch knows, such as 7, 14, 30, 90 or 365: it is ${var.log_retention_days}."
  }
}

variable "access_logs" {
  description = "Keeps the load balancer's access logs in S3 for 30 days, at S3's price. They hold client addresses, which are personal data in many places."
  type        = bool
  default     = false
  nullable    = false
}

variable "exec" {
  description = "Allows `aws ecs execute-command`. Whoever may call it reads every secret of the task, and the root file systems become writable, because the agent needs that. Switch it on to look, then off."
  type        = bool
  default     = false
  nullable    = false
}

variable "deletion_protection" {
  description = "Refuses to delete the load balancer and the RDS instance: before `terraform destroy` it has to be applied as false. RDS leaves no last snapshot then; take one yourself if you want it."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarm_email" {
  description = "Who is told of alarms, Spot interruptions and the budget; AWS asks the address to confirm. null: nobody, the topic has no subscriber."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@[:space:]]+@[^@[:space:]]+$", var.alarm_email))
    error_message = "alarm_email is one address, such as team@example.com: it is \"${coalesce(var.alarm_email, "-")}\"."
  }
}

variable "monthly_budget" {
  description = "Dollars a month of the whole AWS account beyond which the topic is told, at 80 % spent and at 100 % forecast. It warns and stops nothing. null: no budget."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget == null ? true : var.monthly_budget > 0
    error_message = "monthly_budget is more than 0 dollars, or null for none."
  }
}
