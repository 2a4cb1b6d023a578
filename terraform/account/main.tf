# The bucket that holds Terraform's state. Its own state stays local: it is made
# once and can be imported again.
terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region
}

module "state_key" {
  source = "../modules/keys"

  name        = "${var.state_bucket}-key"
  description = "Encrypts Terraform's state"
}

module "state" {
  source = "../modules/objects"

  name                      = var.state_bucket
  kms_key_arn               = module.state_key.arn
  keep_former_versions_days = 365
}
