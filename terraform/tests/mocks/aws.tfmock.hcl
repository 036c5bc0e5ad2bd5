# What the mocked provider answers where its own random strings would not be understood.

mock_data "aws_availability_zones" {
  defaults = { names = ["zone-a", "zone-b", "zone-c"] }
}
mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}
mock_data "aws_partition" {
  defaults = { partition = "aws" }
}
mock_data "aws_iam_policy_document" {
  defaults = { json = "{}" }
}
mock_data "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:eu-west-2:123456789012:repository/slipway/image"
    repository_url = "123456789012.dkr.ecr.eu-west-2.amazonaws.com/slipway/image"
  }
}

mock_resource "aws_vpc" {
  defaults = { id = "vpc-1", ipv6_cidr_block = "2001:db8::/56" }
}
mock_resource "aws_acm_certificate" {
  defaults = {
    arn = "arn:aws:acm:eu-west-2:123456789012:certificate/1"
    domain_validation_options = [{
      domain_name           = "api.example.com"
      resource_record_name  = "_proof.api.example.com."
      resource_record_type  = "CNAME"
      resource_record_value = "_answer.acm-validations.aws."
    }]
  }
}
mock_resource "aws_acm_certificate_validation" {
  defaults = { certificate_arn = "arn:aws:acm:eu-west-2:123456789012:certificate/1" }
}
mock_resource "aws_lb" {
  defaults = {
    arn      = "arn:aws:elasticloadbalancing:eu-west-2:123456789012:loadbalancer/app/slipway-test/1"
    dns_name = "slipway-test-1.elb.example.com"
  }
}
mock_resource "aws_lb_target_group" {
  defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-2:123456789012:targetgroup/slipway-test/1" }
}
mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/slipway-test" }
}
mock_resource "aws_ssm_parameter" {
  defaults = { arn = "arn:aws:ssm:eu-west-2:123456789012:parameter/slipway/test/secret" }
}
mock_resource "aws_ecs_cluster" {
  defaults = { arn = "arn:aws:ecs:eu-west-2:123456789012:cluster/slipway-test" }
}
mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:eu-west-2:123456789012:task-definition/slipway-test:1" }
}
mock_resource "aws_efs_file_system" {
  defaults = { id = "fs-1", arn = "arn:aws:elasticfilesystem:eu-west-2:123456789012:file-system/fs-1" }
}
mock_resource "aws_efs_access_point" {
  defaults = {
    id              = "fsap-1"
    arn             = "arn:aws:elasticfilesystem:eu-west-2:123456789012:access-point/fsap-1"
    file_system_arn = "arn:aws:elasticfilesystem:eu-west-2:123456789012:file-system/fs-1"
  }
}
mock_resource "aws_s3_bucket" {
  defaults = { id = "slipway-test-access-logs", arn = "arn:aws:s3:::slipway-test-access-logs" }
}
mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-west-2:123456789012:slipway-test-alarms" }
}
mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = { arn = "arn:aws:cloudwatch:eu-west-2:123456789012:alarm:slipway-test" }
}
mock_resource "aws_db_instance" {
  defaults = { address = "database.example.com" }
}
mock_resource "aws_elasticache_replication_group" {
  defaults = { primary_endpoint_address = "cache.example.com" }
}
