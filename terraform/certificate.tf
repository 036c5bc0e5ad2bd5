# The certificate, proven by a DNS record. ACM renews it by itself for as long as the record stays.

resource "aws_acm_certificate" "this" {
  count = local.https ? 1 : 0

  domain_name       = var.domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  certificate_record = one([
    for option in flatten(aws_acm_certificate.this[*].domain_validation_options) : {
      name  = option.resource_record_name
      type  = option.resource_record_type
      value = option.resource_record_value
    }
  ])
}

# Waits until the certificate is issued. With DNS elsewhere, somebody must have made the record by then: README.md.
resource "aws_acm_certificate_validation" "this" {
  count = local.https ? 1 : 0

  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = var.route53_zone_id == null ? null : [for record in aws_route53_record.certificate : record.fqdn]

  timeouts {
    create = "30m"
  }
}
