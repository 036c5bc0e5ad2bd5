# One page that answers: is it up, is it fast, is it full, and what does it log.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html

locals {
  dashboard_rows = [
    {
      height = 3
      widgets = [
        { type = "alarm", properties = {
          title  = "Alarms"
          alarms = concat([for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn], aws_cloudwatch_metric_alarm.database_storage[*].arn)
        } },
      ]
    },
    {
      height = 6
      widgets = [
        { type = "metric", properties = merge(local.chart, {
          title = "Is it up? Healthy and unhealthy tasks"
          stat  = "Maximum"
          metrics = [
            concat(["AWS/ApplicationELB", "HealthyHostCount"], local.target_path, [{ label = "healthy", color = "#2ca02c" }]),
            concat(["AWS/ApplicationELB", "UnHealthyHostCount"], local.target_path, [{ label = "unhealthy", color = "#d62728" }]),
          ]
        }) },
        { type = "metric", properties = merge(local.chart, {
          title = "Is it right? Requests and 5xx a minute"
          stat  = "Sum"
          metrics = [
            concat(["AWS/ApplicationELB", "RequestCount"], local.alb_path, [{ label = "requests" }]),
            concat(["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"], local.alb_path, [{ label = "5xx of the app", color = "#d62728", yAxis = "right" }]),
            concat(["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"], local.alb_path, [{ label = "5xx of the load balancer", color = "#ff7f0e", yAxis = "right" }]),
          ]
        }) },
      ]
    },
    {
      height = 6
      widgets = [
        { type = "metric", properties = merge(local.chart, {
          title = "Is it fast? Seconds until the answer"
          metrics = [
            concat(["AWS/ApplicationELB", "TargetResponseTime"], local.alb_path, [{ label = "half of the requests", stat = "p50" }]),
            concat(["AWS/ApplicationELB", "TargetResponseTime"], local.alb_path, [{ label = "99 of 100", stat = "p99" }]),
          ]
        }) },
        { type = "metric", properties = merge(local.chart, {
          title = "Is it full? CPU and memory of the tasks in %"
          stat  = "Maximum"
          yAxis = { left = { min = 0, max = 100 } }
          metrics = [
            concat(["AWS/ECS", "CPUUtilization"], local.service_path, [{ label = "CPU" }]),
            concat(["AWS/ECS", "MemoryUtilization"], local.service_path, [{ label = "memory" }]),
          ]
        }) },
      ]
    },
    {
      height = 8
      widgets = [
        { type = "log", properties = {
          title  = "What went wrong lately"
          region = var.region
          view   = "table"
          query  = "SOURCE '${aws_cloudwatch_log_group.containers["app"].name}' | fields @timestamp, level, message, request_id | filter level in [\"WARN\", \"ERROR\"] | sort @timestamp desc | limit 50"
        } },
      ]
    },
  ]

  chart        = { region = var.region, view = "timeSeries", period = 60 }
  alb_path     = ["LoadBalancer", aws_lb.this.arn_suffix]
  target_path  = ["TargetGroup", aws_lb_target_group.app.arn_suffix, "LoadBalancer", aws_lb.this.arn_suffix]
  service_path = ["ClusterName", aws_ecs_cluster.this.name, "ServiceName", aws_ecs_service.app.name]
}

# A row is 24 wide and shared evenly by its widgets.
resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.full_name
  dashboard_body = jsonencode({
    widgets = flatten([
      for number, row in local.dashboard_rows : [
        for place, widget in row.widgets : merge(widget, {
          x      = place * 24 / length(row.widgets)
          y      = sum(concat([0], [for above in slice(local.dashboard_rows, 0, number) : above.height]))
          width  = 24 / length(row.widgets)
          height = row.height
        })
      ]
    ])
  })
}
