terraform {
  required_version = ">= 1.10"

  # Bucket and region are given to terraform init: see ../README.md.
  backend "s3" {
    key          = "environment/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      service     = "digione"
      environment = var.name
    }
  }
}

# Two keys: who may open files at rest need not be able to open tenants' keysets.
module "tenant_keys" {
  source = "../modules/keys"

  name        = "${var.name}-tenants"
  description = "Wraps the tenants' keysets of ${var.name}"
}

module "storage_key" {
  source = "../modules/keys"

  name        = "${var.name}-storage"
  description = "Encrypts database and bucket of ${var.name} at rest"
}

module "objects" {
  source = "../modules/objects"

  name        = var.bucket_name
  kms_key_arn = module.storage_key.arn
}

module "database" {
  source = "../modules/database"

  name                      = var.name
  engine_version            = var.engine_version
  instance_class            = var.instance_class
  vpc_id                    = var.vpc_id
  subnet_ids                = var.subnet_ids
  client_security_group_ids = var.client_security_group_ids
  kms_key_arn               = module.storage_key.arn
  multi_az                  = var.multi_az
}

# What digione and tenantctl may do; attach it to the roles of their hosts.
data "aws_iam_policy_document" "service" {
  statement {
    sid       = "TenantKeysets"
    actions   = ["kms:Encrypt", "kms:Decrypt"]
    resources = [module.tenant_keys.arn]

    # Never without saying for which tenant: it stands in CloudTrail then.
    condition {
      test     = "Null"
      variable = "kms:EncryptionContext:digione:tenant"
      values   = ["false"]
    }
  }

  statement {
    sid       = "Bucket"
    actions   = ["s3:ListBucket"]
    resources = [module.objects.arn]
  }

  statement {
    sid       = "Files"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${module.objects.arn}/*"]
  }

  statement {
    sid       = "FilesAtRest"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.storage_key.arn]
  }
}

resource "aws_iam_policy" "service" {
  name        = "${var.name}-service"
  description = "Files and keys of ${var.name}"
  policy      = data.aws_iam_policy_document.service.json
}
