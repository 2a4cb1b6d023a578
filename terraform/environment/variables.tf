variable "name" {
  description = "Name of the installation, such as digione-production."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,40}$", var.name))
    error_message = "Use small letters, digits and hyphens, beginning with a letter."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-north-1"
}

variable "bucket_name" {
  description = "Name of the bucket for files, unique in all of AWS."
  type        = string
}

variable "host_suffix" {
  description = "A new tenant is reached at SLUG.SUFFIX."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the database."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the database, in at least two availability zones."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Security groups of the hosts that serve and operate, by a name of yours."
  type        = map(string)
}

variable "engine_version" {
  description = "PostgreSQL's version, 15 or newer."
  type        = string
  default     = "15"
}

variable "instance_class" {
  description = "Size of the database's machine."
  type        = string
  default     = "db.t4g.large"
}

variable "multi_az" {
  description = "A standby database in another availability zone."
  type        = bool
  default     = true
}
