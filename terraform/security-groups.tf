# Who may talk to whom: the internet (or Cloudflare) to the load balancer, the load balancer to the task's one port, the
# task to its data and by HTTPS to AWS. Every rule is a resource of its own and says why it is there.

locals {
  # Where the load balancer is reached from. https://www.cloudflare.com/ips-v6, read 2026-11; Cloudflare announces a
  # change in advance. IPv4 ranges are not needed: with this ingress the load balancer has no public IPv4 address.
  cloudflare_ipv6_ranges = [
    "2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32", "2a06:98c0::/29",
    "2c0f:f248::/32",
  ]
  public_ports = local.cloudflare ? {} : merge({ http = 80 }, local.https ? { https = 443 } : {})

  # Who else the task talks to: name => port and group.
  data_peers = merge(
    local.keeps_efs ? { efs = { port = local.nfs_port, group = aws_security_group.data["efs"].id } } : {},
    var.database == "rds" ? { rds = { port = local.postgres_port, group = aws_security_group.data["rds"].id } } : {},
    var.cache == "elasticache" ? { cache = { port = local.valkey_port, group = aws_security_group.data["cache"].id } } : {},
  )
}

# The load balancer

resource "aws_security_group" "alb" {
  name        = "${local.full_name}-alb"
  description = "The load balancer of ${local.full_name}"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${local.full_name}-alb" }
}

resource "aws_vpc_security_group_ingress_rule" "alb_public" {
  for_each = local.public_ports

  security_group_id = aws_security_group.alb.id
  description       = "${upper(each.key)} from anyone"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_vpc_security_group_ingress_rule" "alb_cloudflare" {
  for_each = toset(local.cloudflare ? local.cloudflare_ipv6_ranges : [])

  security_group_id = aws_security_group.alb.id
  description       = "HTTPS from Cloudflare"
  cidr_ipv6         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "alb_to_task" {
  security_group_id            = aws_security_group.alb.id
  description                  = "Requests and health checks to the tasks"
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = local.app_port
  to_port                      = local.app_port
}

# The task

resource "aws_security_group" "task" {
  name        = "${local.full_name}-task"
  description = "The tasks of ${local.full_name}"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${local.full_name}-task" }
}

resource "aws_vpc_security_group_ingress_rule" "task_from_alb" {
  security_group_id            = aws_security_group.task.id
  description                  = "Requests and health checks from the load balancer"
  referenced_security_group_id = aws_security_group.alb.id
  ip_protocol                  = "tcp"
  from_port                    = local.app_port
  to_port                      = local.app_port
}

# ECR, SSM and CloudWatch Logs answer on public addresses that change; nothing but HTTPS goes out.
resource "aws_vpc_security_group_egress_rule" "task_to_aws" {
  security_group_id = aws_security_group.task.id
  description       = "HTTPS to AWS: images, secrets, logs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "task_to_data" {
  for_each = local.data_peers

  security_group_id            = aws_security_group.task.id
  description                  = "To ${each.key}"
  referenced_security_group_id = each.value.group
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

# The data: EFS, RDS, ElastiCache, where there is one. They answer, and start no connection themselves.

resource "aws_security_group" "data" {
  for_each = toset(compact([
    local.keeps_efs ? "efs" : "",
    var.database == "rds" ? "rds" : "",
    var.cache == "elasticache" ? "cache" : "",
  ]))

  name        = "${local.full_name}-${each.key}"
  description = "The ${each.key} of ${local.full_name}"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${local.full_name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "data_from_task" {
  for_each = local.data_peers

  security_group_id            = each.value.group
  description                  = "From the tasks"
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}
