# Laid beside a copy of terraform/bootstrap, where Terraform merges it.

provider "aws" {
  max_retries = 2 # an operation that moto lacks is an error at once, and not after minutes of retries
}

# moto takes the policy at its word and not its condition: it would refuse everybody, with TLS or without.
resource "aws_s3_bucket_policy" "state" {
  count = 0
}
