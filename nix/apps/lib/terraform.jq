# Terraform's machine-readable events (terraform plan -json, apply -json, destroy -json) in words.
# https://developer.hashicorp.com/terraform/internals/machine-readable-ui

def signs: { create: "+", delete: "-", update: "~", replace: "±", remove: "-", move: ">", import: "<" };

# What keeps the users' data, or the logs about them.
def keeps_data: IN("aws_db_instance", "aws_efs_file_system", "aws_s3_bucket");

def planned: select(.type == "planned_change") | .change | select(.action | IN("noop", "read") | not);

# The changes of a plan, an array of events, one a line; of many, such as a new stack's, how many of each kind.
def changes:
  [.[] | planned] | if length <= 20 then sort_by(.resource.addr)[] | "\(signs[.action] // .action) \(.resource.addr)"
  else group_by([.action, .resource.resource_type])[] | "\(signs[.[0].action] // .[0].action) \(.[0].resource.resource_type)"
    + (if length > 1 then " (\(length))" else "" end) end;

# The addresses of what a plan destroys together with data. What is tainted was never finished, because the run that made it
# was interrupted, and nothing has been written to it.
def lost_data:
  planned | select((.action | IN("delete", "replace")) and (.resource.resource_type | keeps_data) and .reason != "tainted") | .resource.addr;

def summary: select(.type == "change_summary") | .changes | "\(.add) to add, \(.change) to change, \(.remove) to destroy";

# While an apply runs: what is ready, with its seconds where they are many.
def progress:
  select(.type == "apply_complete") | .hook | select(.action | IN("create", "update", "delete"))
  | "\({ create: "made", update: "changed", delete: "removed" }[.action]) \(.resource.addr)"
    + (if .elapsed_seconds >= 10 then ", \(.elapsed_seconds) s" else "" end);

def errors:
  select(.type == "diagnostic" and .diagnostic.severity == "error") | .diagnostic
  | .summary + (if .address then " (\(.address))" else "" end)
    + (if (.detail // "") == "" then "" else ": \(.detail | gsub("\\s+"; " "))" end);
