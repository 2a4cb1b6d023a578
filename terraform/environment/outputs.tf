output "settings" {
  description = "Environment of digione and tenantctl. The owner's password and the database secret are not among them."
  value = {
    AWS_REGION              = var.region
    DIGIONE_DATABASE_URL    = module.database.url
    DIGIONE_KMS_KEY         = module.tenant_keys.alias
    DIGIONE_OBJECTS_BUCKET  = module.objects.name
    DIGIONE_OBJECTS_KMS_KEY = module.storage_key.arn
    DIGIONE_HOST_SUFFIX     = var.host_suffix
    DIGIONE_TLS             = "true"
  }
}

output "database_owner_secret_arn" {
  description = "Secret with the owner's password, for tenantctl alone."
  value       = module.database.owner_secret_arn
}

output "service_policy_arn" {
  description = "Policy to attach to the roles of the hosts that serve and operate."
  value       = aws_iam_policy.service.arn
}
