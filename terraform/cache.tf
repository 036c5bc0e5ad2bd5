# cache = "elasticache": one Valkey for all tasks. A single node without replica, because losing it loses no session: the
# database has them, and requests go on from there until it is back.

resource "aws_elasticache_subnet_group" "this" {
  count = var.cache == "elasticache" ? 1 : 0

  name        = local.full_name
  description = "Private subnets of ${local.full_name}"
  subnet_ids  = [for subnet in aws_subnet.private : subnet.id]
}

# By AWS' default, volatile-lru, a cache that runs full evicts the marks of ended sessions first, which nobody asks for again
# (nix/images/valkey.conf). They would be found in the database some seconds later.
resource "aws_elasticache_parameter_group" "this" {
  count = var.cache == "elasticache" ? 1 : 0

  name        = local.full_name
  description = "Valkey of ${local.full_name}"
  family      = "valkey8"

  parameter {
    name  = "maxmemory-policy"
    value = "volatile-ttl"
  }
}

resource "aws_elasticache_replication_group" "this" {
  count = var.cache == "elasticache" ? 1 : 0

  replication_group_id = local.full_name
  description          = "Rate limits and revocations of ${local.full_name}"
  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = "cache.t4g.micro"
  num_cache_clusters   = 1
  port                 = local.valkey_port

  subnet_group_name    = aws_elasticache_subnet_group.this[0].name
  parameter_group_name = aws_elasticache_parameter_group.this[0].name
  security_group_ids   = [aws_security_group.data["cache"].id]

  # A password would stand in the state, since this resource has no write-only argument for it. The security group lets
  # only the tasks in.
  transit_encryption_enabled = true
  at_rest_encryption_enabled = true

  auto_minor_version_upgrade = true
  apply_immediately          = true
}

locals {
  redis_host = coalesce(one(aws_elasticache_replication_group.this[*].primary_endpoint_address), "127.0.0.1")
  redis_url  = "${var.cache == "elasticache" ? "rediss" : "redis"}://${local.redis_host}:${local.valkey_port}"
}
