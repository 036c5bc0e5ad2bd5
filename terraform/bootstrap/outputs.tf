output "state_bucket" {
  description = "What `terraform init` of a stack takes as -backend-config=bucket=."
  value       = aws_s3_bucket.state.id
}

output "repositories" {
  description = "Container's name => where its image is pushed."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "github_roles" {
  description = "GitHub environment => the role that its workflows take."
  value       = merge({ for role in aws_iam_role.plan : "plan" => role.arn }, { for name, role in aws_iam_role.deploy : name => role.arn })
}

output "backend_file" {
  description = "Written to backend.tf here, followed by `terraform init -migrate-state`, it moves this state into its own bucket."
  value       = <<-EOT
    terraform {
      backend "s3" {
        bucket       = "${aws_s3_bucket.state.id}"
        key          = "bootstrap/terraform.tfstate"
        region       = "${var.region}"
        encrypt      = true
        use_lockfile = true
      }
    }
  EOT
}
