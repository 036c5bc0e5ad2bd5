variable "name" {
  description = "Names everything, and is the name that the stacks are given."
  type        = string
  default     = "slipway"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,10}[a-z0-9]$", var.name))
    error_message = "name is 3 to 12 lower-case letters, digits or hyphens: it is \"${var.name}\"."
  }
}

variable "region" {
  description = "Where the state and the images are kept; the stacks are in the same region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is the name of an AWS region, such as the one of your account's console: it is \"${var.region}\"."
  }
}

variable "environments" {
  description = "Which copies of the stack may be deployed from GitHub: each gets a role that can touch its own stack only, for the GitHub environment of the same name."
  type        = set(string)
  default     = ["production"]
  nullable    = false

  validation {
    condition     = alltrue([for name in var.environments : can(regex("^[a-z][a-z0-9-]{1,10}[a-z0-9]$", name)) && !contains(["plan", "deploy"], name)])
    error_message = "environments are names of 3 to 12 lower-case letters, digits or hyphens, and not \"plan\" or \"deploy\", which name the roles themselves: they are ${jsonencode(var.environments)}."
  }
  validation {
    condition     = alltrue([for pair in setproduct(var.environments, var.environments) : pair[0] == pair[1] || !startswith(pair[0], pair[1])])
    error_message = "None of the environments may begin with the name of another, because a role's rights are told apart by how names begin: they are ${jsonencode(var.environments)}."
  }
}

variable "github_repository" {
  description = "OWNER/NAME, spelt as GitHub spells it, whose workflows may plan and deploy without a stored key. null: nobody's, you deploy from a laptop."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is OWNER/NAME, without a URL and without a wildcard: it is \"${coalesce(var.github_repository, "-")}\"."
  }
}

variable "github_ids" {
  description = "The numbers of the owner and of the repository, which stand in the tokens of repositories made since 15 July 2026: gh api repos/OWNER/NAME --jq '{owner: .owner.id, repository: .id}'. null: an older repository, whose tokens have names alone."
  type = object({
    owner      = number
    repository = number
  })
  default = null
}

variable "route53_zone_id" {
  description = "The zone whose records the deploy roles may change. null: none, the DNS is elsewhere, or you deploy from a laptop."
  type        = string
  default     = null
}

variable "github_oidc_provider_exists" {
  description = "An account has one OIDC provider for GitHub at most: true uses the one that something else made."
  type        = bool
  default     = false
  nullable    = false
}
