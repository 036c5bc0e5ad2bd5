# Tells the topic before the month gets expensive. A budget sees the whole account and stops nothing.
resource "aws_budgets_budget" "monthly" {
  count = var.monthly_budget == null ? 0 : 1

  name         = "${local.full_name}-account-monthly"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(var.monthly_budget)

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      comparison_operator       = "GREATER_THAN"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
