output "state_bucket" {
  description = "Name for terraform init -backend-config=bucket=…"
  value       = module.state.name
}
