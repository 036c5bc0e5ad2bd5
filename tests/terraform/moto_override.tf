# Laid beside a copy of terraform/, where Terraform merges it argument by argument: what moto, the fake AWS, cannot do.
# The mocked tests in terraform/tests plan these parts instead.

provider "aws" {
  max_retries = 2 # an operation that moto lacks is an error at once, and not after minutes of retries
}

# No such operation in moto

resource "aws_appautoscaling_policy" "cpu" {
  count = 0
}
resource "aws_appautoscaling_target" "app" {
  count = 0
}
resource "aws_budgets_budget" "monthly" {
  count = 0
}
resource "aws_efs_backup_policy" "postgres" {
  count = 0
}
resource "aws_efs_file_system_policy" "postgres" {
  count = 0 # it can be made, and not deleted
}
resource "aws_elasticache_parameter_group" "this" {
  count = 0
}
resource "aws_elasticache_replication_group" "this" {
  count = 0
}
resource "aws_elasticache_subnet_group" "this" {
  count = 0
}

# Accepted by moto and not given back, which reads like a change

# What AWS answers is in database.tf, and a test looks at that (test_task_definition.py).
resource "aws_db_parameter_group" "this" {
  lifecycle {
    ignore_changes = [parameter]
  }
}
resource "aws_ecs_service" "app" {
  lifecycle {
    ignore_changes = [
      desired_count, # as in ecs.tf, whose list this one replaces
      availability_zone_rebalancing, capacity_provider_strategy, enable_ecs_managed_tags, enable_execute_command,
      health_check_grace_period_seconds,
    ]
  }
}
resource "aws_vpc_security_group_egress_rule" "alb_to_task" {
  lifecycle {
    ignore_changes = [description]
  }
}
resource "aws_vpc_security_group_egress_rule" "task_to_data" {
  lifecycle {
    ignore_changes = [description]
  }
}
resource "aws_vpc_security_group_ingress_rule" "data_from_task" {
  lifecycle {
    ignore_changes = [description]
  }
}
resource "aws_vpc_security_group_ingress_rule" "task_from_alb" {
  lifecycle {
    ignore_changes = [description]
  }
}
