# A VPC without a NAT gateway: tasks stand in public subnets, each with an address of its own, and no security group
# lets anyone but the load balancer in. A NAT would cost more than everything else together (README.md).

# All zones, also one that is impaired just now: during an outage of a zone no plan shall move the subnets.
data "aws_availability_zones" "available" {
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
  # Without Fargate, EFS One Zone or the smaller instance classes. A name of a zone means another one in each account, an id does
  # not. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html
  exclude_zone_ids = ["use1-az3", "usw1-az2", "apne1-az3", "cac1-az3"]
}

locals {
  # Name of the zone => its number, which numbers its subnets as well.
  zones = { for index, zone in slice(data.aws_availability_zones.available.names, 0, var.network.zones) : zone => index }
}

resource "aws_vpc" "this" {
  cidr_block                       = var.network.cidr
  assign_generated_ipv6_cidr_block = local.cloudflare # IPv6 is free, and how Cloudflare reaches the load balancer
  enable_dns_support               = true
  enable_dns_hostnames             = true

  tags = { Name = local.full_name }
}

# Whatever is started without a security group can talk to nobody.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${local.full_name}-default-unused" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = local.full_name }
}

# Load balancer and tasks. Addresses are asked for by the service, not given to whatever is started here.
resource "aws_subnet" "public" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.network.cidr, 8, each.value)
  ipv6_cidr_block   = local.cloudflare ? cidrsubnet(aws_vpc.this.ipv6_cidr_block, 8, each.value) : null

  tags = { Name = "${local.full_name}-public-${each.key}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${local.full_name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route" "internet_ipv6" {
  count = local.cloudflare ? 1 : 0

  route_table_id              = aws_route_table.public.id
  destination_ipv6_cidr_block = "::/0"
  gateway_id                  = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

# EFS, RDS and ElastiCache: no way in from outside and none out.
resource "aws_subnet" "private" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.network.cidr, 8, 128 + each.value)

  tags = { Name = "${local.full_name}-private-${each.key}" }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${local.full_name}-private" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}
