# The S3 gateway endpoint is free and carries the image layers, which ECR keeps in S3. Interface endpoints for ECR, SSM
# and CloudWatch would cost $8 each and zone, and are left out (README.md).
resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.this.id
  service_name    = "com.amazonaws.${var.region}.s3"
  route_table_ids = [aws_route_table.public.id, aws_route_table.private.id]
  policy          = data.aws_iam_policy_document.s3_endpoint.json

  tags = { Name = "${local.full_name}-s3" }
}

# Image layers and nothing else: a task cannot carry data off into a bucket of somebody else.
data "aws_iam_policy_document" "s3_endpoint" {
  statement {
    sid       = "PullImageLayers"
    actions   = ["s3:GetObject"]
    resources = ["arn:${data.aws_partition.current.partition}:s3:::prod-${var.region}-starport-layer-bucket/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
}
