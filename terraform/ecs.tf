# The cluster, and the service that keeps the wanted number of tasks running and replaces them on a deploy.

resource "aws_ecs_cluster" "this" {
  name = local.full_name

  setting {
    name  = "containerInsights"
    value = "disabled" # its custom metrics cost $0.30 each, more than the task; CPU and memory are free without it
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_ecs_service" "app" {
  name            = local.full_name
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.app.arn
  desired_count   = var.capacity.min

  # One writer: stop the old task, then start the new. Else the new one must be healthy before the old one goes.
  deployment_minimum_healthy_percent = local.one_writer ? 0 : 100
  deployment_maximum_percent         = local.one_writer ? 100 : 200
  health_check_grace_period_seconds  = local.timeouts.health_grace

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # Beside the circuit breaker, which sees only whether tasks start and stay. It costs each deploy the minutes of the alarms:
  # ECS waits for so long after the last task is replaced.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
  dynamic "alarms" {
    for_each = length(local.alarms_of_releases) == 0 ? [] : [local.alarms_of_releases]

    content {
      alarm_names = [for alarm in alarms.value : aws_cloudwatch_metric_alarm.this[alarm].alarm_name]
      enable      = true
      rollback    = true
    }
  }

  # A service that was rolled back is steady as well, so waiting for that here would call a failed deploy a success.
  # Whoever deploys compares what runs with what was asked for: output deployment.
  wait_for_steady_state = false

  # The first on_demand_base tasks on demand, all further ones on Spot.
  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = var.capacity.on_demand_base
    weight            = 0
  }
  capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = 1
  }
  force_new_deployment = true # lets the strategy change without replacing the service

  # Moves a task when the zones hold unequal numbers. ECS cannot with a maximum of 100 %, and without RDS a task is its data.
  availability_zone_rebalancing = var.database == "rds" ? "ENABLED" : "DISABLED"

  network_configuration {
    subnets          = [for subnet in aws_subnet.public : subnet.id]
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = true # the way to ECR, SSM and CloudWatch without a NAT: $3.65 a task instead of $36.50
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.app.arn
    container_name   = "app"
    container_port   = local.app_port
  }

  enable_execute_command  = var.exec
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"

  lifecycle {
    ignore_changes = [desired_count] # autoscaling's after the start, or yours: 0 puts the stack to sleep
  }

  # What a task needs from its first second on, and until its last one when all of it is destroyed.
  depends_on = [
    aws_ecs_cluster_capacity_providers.this,
    aws_efs_file_system_policy.postgres,
    aws_efs_mount_target.postgres,
    aws_iam_role_policy.execution,
    aws_iam_role_policy.task,
    aws_lb_listener.http,
    aws_lb_listener.https,
    aws_route_table_association.public,
    aws_vpc_endpoint.s3,
    aws_vpc_security_group_egress_rule.alb_to_task,
    aws_vpc_security_group_egress_rule.task_to_aws,
    aws_vpc_security_group_egress_rule.task_to_data,
    aws_vpc_security_group_ingress_rule.data_from_task,
    aws_vpc_security_group_ingress_rule.task_from_alb,
  ]
}
