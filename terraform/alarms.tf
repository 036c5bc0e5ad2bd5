# What wakes somebody, and where it is said. All of it is on metrics that AWS keeps anyway: an alarm costs $0.10 a month
# after the account's first ten, and nothing else here costs anything.

resource "aws_sns_topic" "alarms" {
  name = "${local.full_name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

data "aws_iam_policy_document" "alarms_topic" {
  statement {
    sid       = "AlarmsAndBudgetsOfThisAccount"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }

  # Without the condition, which EventBridge does not support for topics: with it every event would be dropped in silence.
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions
  statement {
    sid       = "Events"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms_topic.json
}

locals {
  alb_dimensions    = { LoadBalancer = aws_lb.this.arn_suffix }
  target_dimensions = merge(local.alb_dimensions, { TargetGroup = aws_lb_target_group.app.arn_suffix })
  # By its name: the service itself comes after the alarms, which watch its deployments.
  service_dimensions = { ClusterName = aws_ecs_cluster.this.name, ServiceName = local.full_name }

  # What a release that answers its health check can still do wrong, as its clients see it. The other alarms are about what a
  # deploy does not cause, or have no data, which is breaching, before the first task. An alarm that rings already when a
  # deployment begins is not asked, so that a fix can be deployed.
  # With one writer there are none: while it starts nobody else serves, so that every slow start would be taken back.
  alarms_of_releases = local.one_writer ? [] : ["server-errors", "no-answer"]

  # Over the threshold for `minutes` minutes of as many, unless `comparison` says otherwise: short peaks wake nobody.
  alarms = merge({
    server-errors = {
      says      = "The app answered more than five requests a minute with 5xx"
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum"
      threshold = 5, minutes = 3, dimensions = local.target_dimensions
    }
    no-answer = {
      says      = "The load balancer had nobody to ask: 502, 503 or 504"
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", statistic = "Sum"
      threshold = 5, minutes = 3, dimensions = local.alb_dimensions
    }
    unhealthy-targets = {
      says      = "A task fails its health check"
      namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", statistic = "Maximum"
      threshold = 0, minutes = 3, dimensions = local.target_dimensions
    }
    # Nobody is there to serve, which the metric before does not show: a target that is gone is none. No data is an outage as well.
    # While a service with one writer is replaced there is nobody for a minute or two.
    no-healthy-target = {
      says      = "No task answers: look at the service's events (status) and at the logs"
      namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Maximum"
      threshold = 1, minutes = 5, dimensions = local.target_dimensions, comparison = "LessThanThreshold", missing = "breaching"
    }
    slow = {
      says      = "One request in a hundred takes longer than a second"
      namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", statistic = "p99"
      threshold = 1, minutes = 5, dimensions = local.target_dimensions
    }
    cpu = {
      says      = "The tasks' CPU is busy: raise task_size.cpu or capacity.max"
      namespace = "AWS/ECS", metric = "CPUUtilization", statistic = "Average"
      threshold = 85, minutes = 15, dimensions = local.service_dimensions
    }
    memory = {
      says      = "The tasks' memory is nearly used up, and beyond it they are killed: raise task_size.memory"
      namespace = "AWS/ECS", metric = "MemoryUtilization", statistic = "Maximum"
      threshold = 85, minutes = 5, dimensions = local.service_dimensions
    }
    }, !local.keeps_efs ? {} : {
    # Of EFS's default throughput, "bursting": 50 KiB/s for each GiB that is stored, and more of it from credits, 2.1 TiB at
    # the start. Without any PostgreSQL crawls. https://docs.aws.amazon.com/efs/latest/ug/performance.html#throughput-modes
    file-system-credits = {
      says      = "The database's file system has used nine tenths of its credits, and without them it is slow: use RDS"
      namespace = "AWS/EFS", metric = "BurstCreditBalance", statistic = "Minimum", comparison = "LessThanThreshold"
      threshold = 0.21 * pow(1024, 4), minutes = 15, dimensions = { FileSystemId = aws_efs_file_system.postgres[0].id }
    }
    }, var.database != "rds" ? {} : {
    database-cpu = {
      says      = "The database's CPU is busy: raise rds.instance_class"
      namespace = "AWS/RDS", metric = "CPUUtilization", statistic = "Average"
      threshold = 85, minutes = 15, dimensions = { DBInstanceIdentifier = aws_db_instance.this[0].identifier }
    }
    database-connections = {
      says      = "Nearly all connections of the database are taken: lower database_connections, or raise rds.instance_class"
      namespace = "AWS/RDS", metric = "DatabaseConnections", statistic = "Maximum"
      threshold = floor(0.8 * local.max_connections), minutes = 5, dimensions = { DBInstanceIdentifier = aws_db_instance.this[0].identifier }
    }
  })
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.full_name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = try(each.value.comparison, "GreaterThanThreshold")
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = try(each.value.missing, "notBreaching") # no requests is no error
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# The disk runs full downwards, unlike everything above.
resource "aws_cloudwatch_metric_alarm" "database_storage" {
  count = var.database == "rds" ? 1 : 0

  alarm_name          = "${local.full_name}-database-storage"
  alarm_description   = "The database has less than 2 GB left, and at none it stops: raise rds.storage_gb"
  namespace           = "AWS/RDS"
  metric_name         = "FreeStorageSpace"
  dimensions          = { DBInstanceIdentifier = aws_db_instance.this[0].identifier }
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = 2 * pow(1024, 3)
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# What ECS says by itself, which no metric shows.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_cwe_events.html
locals {
  events = {
    spot-interruption = {
      says = "AWS takes a Spot task back; another is started"
      pattern = {
        detail-type = ["ECS Task State Change"]
        # Once for each task, of its several changes of state.
        detail = { clusterArn = [aws_ecs_cluster.this.arn], stopCode = ["SpotInterruption"], lastStatus = ["STOPPED"] }
      }
      why = "$.detail.stoppedReason"
    }
    start-impaired = {
      says = "Tasks cannot start: the service's events and the stopped tasks say why"
      pattern = {
        detail-type = ["ECS Service Action"]
        resources   = [aws_ecs_service.app.id]
        detail      = { eventName = ["SERVICE_TASK_START_IMPAIRED"] }
      }
      why = "$.detail.reason"
    }
    placement-failure = {
      says = "No task could be placed: Fargate has no capacity now, on Spot more often than on demand"
      pattern = {
        detail-type = ["ECS Service Action"]
        resources   = [aws_ecs_service.app.id]
        detail      = { eventName = ["SERVICE_TASK_PLACEMENT_FAILURE"] }
      }
      why = "$.detail.reason"
    }
    deployment-failed = {
      says = "A deployment failed and was rolled back"
      pattern = {
        detail-type = ["ECS Deployment State Change"]
        resources   = [aws_ecs_service.app.id]
        detail      = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
      }
      why = "$.detail.reason"
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.events

  name          = "${local.full_name}-${each.key}"
  description   = each.value.says
  event_pattern = jsonencode(merge({ source = ["aws.ecs"] }, each.value.pattern))
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = aws_cloudwatch_event_rule.this

  rule      = each.value.name
  target_id = "alarms"
  arn       = aws_sns_topic.alarms.arn

  # A sentence instead of the event's JSON. Not by jsonencode, which would write \u003c for the brackets. A field that an
  # event lacks is left out. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
  input_transformer {
    input_paths    = { time = "$.time", why = local.events[each.key].why }
    input_template = "\"${local.full_name}, <time>: ${local.events[each.key].says}. <why> (docs/RUNBOOK.md: ${each.key})\""
  }
}
