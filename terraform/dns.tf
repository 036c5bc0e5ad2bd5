# The domain's records: made in Route 53 when its zone is given, else written down for whoever keeps the DNS.

resource "aws_route53_record" "certificate" {
  count = var.route53_zone_id == null ? 0 : 1

  zone_id         = var.route53_zone_id
  name            = local.certificate_record.name
  type            = local.certificate_record.type
  records         = [local.certificate_record.value]
  ttl             = 300
  allow_overwrite = true # ACM asks for the same record again when a certificate of the same name is replaced
}

resource "aws_route53_record" "app" {
  count = var.route53_zone_id == null ? 0 : 1

  zone_id = var.route53_zone_id
  name    = var.domain
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }
}

# As BIND zone files, which Cloudflare and most others import. Two of them: the first is known before the load balancer
# is, and the load balancer's listener waits for it to be in place.
locals {
  writes_zone_file = local.https && var.route53_zone_id == null

  certificate_zone_file = local.writes_zone_file ? format("%s 300 IN %s %s\n",
    local.certificate_record.name, local.certificate_record.type, local.certificate_record.value,
  ) : null

  zone_file = local.writes_zone_file ? format("%s. 300 IN CNAME %s.\n", var.domain, aws_lb.this.dns_name) : null
}
