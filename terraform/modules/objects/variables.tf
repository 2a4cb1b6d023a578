variable "name" {
  description = "Name of the bucket, unique in all of AWS."
  type        = string
}

variable "kms_key_arn" {
  description = "Key by which the bucket encrypts."
  type        = string
}

variable "keep_former_versions_days" {
  description = "Days for which overwritten and deleted files can be brought back."
  type        = number
  default     = 90

  validation {
    condition     = var.keep_former_versions_days >= 7
    error_message = "Keep former versions for at least 7 days."
  }
}
