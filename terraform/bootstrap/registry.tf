# One repository for each image of the task. All environments share them: what ran in staging is what production gets, by
# the same digest.

resource "aws_ecr_repository" "this" {
  for_each = toset(["app", "valkey", "postgres"])

  name                 = "${var.name}/${each.key}"
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

# ECR cannot know which digest a task definition names, so it deletes no tagged image at all, and deploy tooling tags
# whatever it deploys. An image without a tag was pushed and never deployed. A GB costs $0.10 a month.
resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Pushed a fortnight ago and never deployed"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
      action       = { type = "expire" }
    }]
  })
}
