# Between capacity.min and capacity.max by CPU. A validation sees to it that the tasks share their data.

resource "aws_appautoscaling_target" "app" {
  count = local.scales ? 1 : 0

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.app.name}"
  min_capacity       = var.capacity.min
  max_capacity       = var.capacity.max
}

# Argon2 makes sign-ins CPU work, so that CPU is what runs out first. Out within minutes, in slowly.
resource "aws_appautoscaling_policy" "cpu" {
  count = local.scales ? 1 : 0

  name               = "${local.full_name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.app[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.app[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.app[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 60
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
