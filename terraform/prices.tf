# Dollars, by region; null is a price that we could not confirm, and is told as missing rather than guessed. To add a
# region, add its map. A test compares what README.md quotes with what these make.
locals {
  prices_as_of = "2026-09-29"

  prices = {
    # AWS price lists of 2026-09-11, except: fargate_spot_*, which AWS lets float: 0.8 of the price of x86 on Spot, as it
    # is in us-east-1; database storage: gp3.
    eu-west-2 = {
      fargate_vcpu_hour      = 0.03725
      fargate_gb_hour        = 0.00409
      fargate_spot_vcpu_hour = 0.01117
      fargate_spot_gb_hour   = 0.00123
      alb_hour               = 0.02646
      alb_lcu_hour           = 0.0084
      public_ipv4_hour       = 0.005
      registry_gb_month      = 0.10
      efs_gb_month           = null
      rds_hour               = { "db.t4g.micro" = 0.018 }
      rds_gb_month           = 0.133
      elasticache_hour       = 0.0144
    }

    # AWS price lists of 2026-09-11, except: fargate_spot_*, read on 2026-09-29; registry_gb_month, which is the price of
    # eu-west-2 and unconfirmed here; efs_gb_month: https://sst.dev/docs/component/aws/efs; elasticache_hour, which is
    # 0.8 of the price of Redis, as AWS sells Valkey.
    us-east-1 = {
      fargate_vcpu_hour      = 0.03238
      fargate_gb_hour        = 0.00356
      fargate_spot_vcpu_hour = 0.01030969
      fargate_spot_gb_hour   = 0.00113349
      alb_hour               = 0.0225
      alb_lcu_hour           = 0.008
      public_ipv4_hour       = 0.005
      registry_gb_month      = 0.10
      efs_gb_month           = 0.30
      rds_hour               = { "db.t4g.micro" = 0.016 }
      rds_gb_month           = 0.115
      elasticache_hour       = 0.0128
    }
  }
}
