variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-north-1"
}

variable "state_bucket" {
  description = "Name of the bucket for the state, unique in all of AWS."
  type        = string
}
