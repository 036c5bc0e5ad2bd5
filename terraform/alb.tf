# The load balancer: TLS ends here, and only tasks whose /health answers get requests.

resource "aws_lb" "this" {
  name               = local.full_name
  load_balancer_type = "application"
  ip_address_type    = local.cloudflare ? "dualstack-without-public-ipv4" : "ipv4"
  security_groups    = [aws_security_group.alb.id]
  subnets            = [for subnet in aws_subnet.public : subnet.id]

  idle_timeout               = local.timeouts.alb_idle
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive"
  xff_header_processing_mode = "append"
  enable_deletion_protection = var.deletion_protection

  dynamic "access_logs" {
    for_each = aws_s3_bucket.access_logs

    content {
      bucket  = access_logs.value.id
      enabled = true
    }
  }

  # AWS refuses a public load balancer in a VPC that has no way to the internet yet.
  depends_on = [aws_route.internet, aws_route.internet_ipv6, aws_s3_bucket_policy.access_logs]
}

resource "aws_lb_target_group" "app" {
  name                          = local.full_name
  vpc_id                        = aws_vpc.this.id
  target_type                   = "ip"
  protocol                      = "HTTP"
  port                          = local.app_port
  deregistration_delay          = local.timeouts.deregistration
  load_balancing_algorithm_type = "least_outstanding_requests"

  health_check {
    path                = "/health"
    matcher             = "200"
    interval            = local.timeouts.health_check.interval
    timeout             = local.timeouts.health_check.timeout
    healthy_threshold   = local.timeouts.health_check.threshold
    unhealthy_threshold = local.timeouts.health_check.threshold
  }
}

# Behind Cloudflare there is no plain HTTP at all; Cloudflare redirects.
resource "aws_lb_listener" "http" {
  count = local.cloudflare ? 0 : 1

  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type             = local.https ? "redirect" : "forward"
    target_group_arn = local.https ? null : aws_lb_target_group.app.arn

    dynamic "redirect" {
      for_each = local.https ? [true] : []

      content {
        protocol    = "HTTPS"
        port        = "443"
        status_code = "HTTP_301"
      }
    }
  }
}

locals {
  is_apex = length(split(".", coalesce(var.domain, "an.example.com"))) == 2
}

resource "aws_lb_listener" "https" {
  count = local.https ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09" # TLS 1.3 and, for older clients, 1.2, without CBC; AWS' recommendation
  certificate_arn   = aws_acm_certificate_validation.this[0].certificate_arn

  # TLS ends here, so here is said that it must not be left: two years, as browsers' preload lists ask. Not for the names below an
  # apex, such as example.com, which are other services'.
  routing_http_response_strict_transport_security_header_value = "max-age=63072000${local.is_apex ? "" : "; includeSubDomains"}"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.app.arn
  }
}
