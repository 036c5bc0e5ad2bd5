# Terraform's machine-readable events (terraform plan -json, apply -json, destroy -json) in words.
# https://developer.hashicorp.com/terraform/internals/machine-readable-ui

def signs: { create: "+", delete: "-", update: "~", replace: "±", remove: "-", move: ">", import: "<" };

# What keeps the users' data, or the logs about them.
def keeps_data: IN("aws_db_instance", "aws_efs_file_system", "aws_s3_bucket");

def planned: select(.type == "planned_change") | .change | select(.action | IN("noop", "read") | not);

# The changes of a plan, one a line.
def changes: planned | "\(signs[.action] // .action) \(.resource.addr)";

# The addresses of what a plan destroys together with data.
def lost_data: planned | select((.action | IN("delete", "replace")) and (.resource.resource_type | keeps_data)) | .resource.addr;

def summary: select(.type == "change_summary") | .changes | "\(.add) to add, \(.change) to change, \(.remove) to destroy";

# While an apply runs: what is ready, with its seconds where they are many.
def progress:
  select(.type == "apply_complete") | .hook
  | "\({ create: "made", update: "changed", delete: "removed" }[.action] // .action) \(.resource.addr)"
    + (if .elapsed_seconds >= 10 then ", \(.elapsed_seconds) s" else "" end);

def errors:
  select(.type == "diagnostic" and .diagnostic.severity == "error") | .diagnostic
  | .summary + (if .address then " (\(.address))" else "" end)
    + (if (.detail // "") == "" then "" else ": \(.detail | gsub("\\s+"; " "))" end);
