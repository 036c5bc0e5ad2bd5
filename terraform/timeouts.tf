# AWS's links of the timeout chain, in seconds; ../nix/timeouts.nix has the whole chain with its reasons, and a test
# compares the two. A stopping task: the load balancer forgets it while the app drains, and every container has ended
# before ECS kills it.
locals {
  timeouts = {
    alb_idle = 60  # the ALB's default; nginx keeps connections longer, or the ALB would meet closed ones (502)
    stop     = 120 # stopTimeout, Fargate's maximum and a Spot warning's length; the app needs less than 50

    # Less than the drain, DRAIN_SECONDS of the app: the ALB forgets the task while the task still answers. With one writer
    # no other task takes its requests, and what it waits for is outage: played under load, 11 s instead of 40.
    deregistration = local.one_writer ? 5 : 15
    drain          = local.one_writer ? 0 : 20

    # A first start: initdb on EFS, or the wait for the lock of a task that is still stopping. 300 is ECS's maximum.
    postgres_start = 300
    # Then the app gives up waiting for it, and the task ends.
    postgres_give_up = 330
    # A database of its own is there, or fails over within a minute.
    rds_give_up = 60
    # From when all containers run: the app waits for its database, and migrates, while those before it serve. ECS ignores
    # health checks for so long; on RDS a deploy migrates before, by a task of its own (nix/apps/lib/migrate.sh). An app that
    # hangs in its first minutes is replaced after these.
    health_grace = 600

    health_check = {
      interval  = 5 # two good answers: in service 10 s after the start; two bad ones: out of it
      timeout   = 3
      threshold = 2
    }
  }
}
