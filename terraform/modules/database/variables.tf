variable "name" {
  description = "Name of the instance and of what belongs to it."
  type        = string
}

variable "engine_version" {
  description = "PostgreSQL's version, 15 or newer, with or without its minor number."
  type        = string
  default     = "15"

  validation {
    condition     = try(tonumber(split(".", var.engine_version)[0]) >= 15, false)
    error_message = "DigiOne needs PostgreSQL 15 or newer."
  }
}

variable "instance_class" {
  description = "Size of the machine."
  type        = string
  default     = "db.t4g.large"
}

variable "vpc_id" {
  description = "VPC of the database."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in at least two availability zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "Give at least two subnets."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name of yours: { serving = \"sg-…\", operator = \"sg-…\" }."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts storage, backups and the owner's password."
  type        = string
}

variable "storage_gb" {
  description = "Storage at the beginning."
  type        = number
  default     = 100
}

variable "storage_limit_gb" {
  description = "Storage to which it may grow by itself."
  type        = number
  default     = 1000
}

variable "max_connections" {
  description = "See the operator's guide: the serving processes' max-conns and more."
  type        = number
  default     = 300
}

variable "max_locks_per_transaction" {
  description = "Locks per connection; tenants times tables must fit for a dump of the whole."
  type        = number
  default     = 256
}

variable "backup_days" {
  description = "Days to which the database can be brought back, to any second."
  type        = number
  default     = 35

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "RDS keeps backups for up to 35 days; keep at least 7."
  }
}

variable "multi_az" {
  description = "A standby in another availability zone."
  type        = bool
  default     = true
}
