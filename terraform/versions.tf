# 1.11 brought write-only arguments, which keep the generated secrets out of the state.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      # 6 as well: every attribute used here is in the schema of 6.62. What runs is what the lock file says.
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # One state for each environment, in the bucket that bootstrap/ made. What differs is given to `terraform init`:
  #   -backend-config=bucket=BUCKET -backend-config=region=REGION -backend-config=key=ENVIRONMENT/terraform.tfstate
  backend "s3" {
    encrypt      = true
    use_lockfile = true # S3 locks natively; a DynamoDB table is no longer needed
  }
}

provider "aws" {
  region = var.region

  # Written by the deploy commands on a release (nix/apps/lib/releases.sh), and theirs to change.
  ignore_tags {
    key_prefixes = ["release:"]
  }

  default_tags {
    tags = {
      Project     = var.name
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
