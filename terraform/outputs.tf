# What a person looks for first

output "url" {
  description = "Where the API answers."
  value       = local.https ? "https://${var.domain}" : "http://${aws_lb.this.dns_name}"
}

output "monthly_cost" {
  description = "The estimate, line by line. It is known before anything is created."
  value       = local.monthly_cost
}

output "dashboard_url" {
  description = "The dashboard in the AWS console."
  value       = "https://console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

# DNS outside Route 53

output "certificate_zone_file" {
  description = "The record that proves the domain to ACM, as a BIND zone file to import. Known after `terraform apply -target=aws_acm_certificate.this`."
  value       = local.certificate_zone_file
}

output "zone_file" {
  description = "The record that points the domain to the load balancer, as a BIND zone file to import."
  value       = local.zone_file
}

# What deploy tooling asks for

output "region" {
  description = "The region of the stack."
  value       = var.region
}

output "cluster" {
  description = "The ECS cluster's name."
  value       = aws_ecs_cluster.this.name
}

output "service" {
  description = "The ECS service's name."
  value       = aws_ecs_service.app.name
}

output "deployment" {
  description = "What was asked for. A deploy succeeded when the service's PRIMARY deployment is complete and has this task definition; after a rollback it has another."
  value = {
    task_definition = aws_ecs_task_definition.app.arn
    images          = local.images
  }
}

output "repositories" {
  description = "Container's name => the URL of its repository, without tag and digest."
  value       = { for name, repository in data.aws_ecr_repository.this : name => repository.repository_url }
}

output "log_groups" {
  description = "Container's name => its log group."
  value       = { for name, group in aws_cloudwatch_log_group.containers : name => group.name }
}

output "load_balancer" {
  description = "The load balancer's own name, for a domain's record and for a check around DNS."
  value       = aws_lb.this.dns_name
}

output "target_group" {
  description = "The ARN of the target group, whose health a rollout waits for."
  value       = aws_lb_target_group.app.arn
}

output "import" {
  description = "With rds.import_from_efs: what `aws ecs run-task` needs to copy the data into RDS."
  value = one([for definition in aws_ecs_task_definition.import : {
    task_definition = definition.arn
    subnets         = [for subnet in aws_subnet.public : subnet.id]
    security_group  = aws_security_group.task.id
  }])
}

output "timeouts" {
  description = "AWS's links of the timeout chain, in seconds."
  value       = local.timeouts
}
