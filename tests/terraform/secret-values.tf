# Takes the place of terraform/secret-values.tf under a mocked provider, which has no ephemeral resources.
locals {
  generated_jwt_secrets       = { for version in local.jwt_versions : version => "generated-jwt-secret-${version}" }
  generated_database_password = "generated-password"
  stored_database_password    = "stored-password"
}
