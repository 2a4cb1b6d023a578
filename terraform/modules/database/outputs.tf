output "url" {
  description = "The owner's URL without the password, as DIGIONE_DATABASE_URL takes it."
  value       = "postgres://${local.owner}@${aws_db_instance.this.address}:${aws_db_instance.this.port}/${local.database}?sslmode=verify-full"
}

output "owner_secret_arn" {
  description = "Secret with the owner's password."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
