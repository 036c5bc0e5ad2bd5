# AWS's links of the timeout chain, in seconds; ../nix/timeouts.nix has the whole chain with its reasons, and a test
# compares the two. A stopping task: the load balancer forgets it while the app drains, and every container has ended
# before ECS kills it.
locals {
  timeouts = {
    alb_idle       = 60  # the ALB's default; nginx keeps connections longer, or the ALB would meet closed ones (502)
    deregistration = 15  # less than the drain: the ALB forgets the task while the task still answers
    drain          = 20  # DRAIN_SECONDS of the app
    stop           = 120 # stopTimeout, Fargate's maximum and a Spot warning's length; the app needs less than 50

    # A first start: initdb on EFS, or the wait for the lock of a task that is still stopping. 300 is ECS's maximum.
    postgres_start = 300
    # Then ECS gives the task up. Not said, it would do so after 180, before PostgreSQL had its time.
    postgres_give_up = 330
    # From when all containers run, and so after PostgreSQL's start: the app waits up to 60 for its database, and migrates.
    health_grace = 90

    health_check = {
      interval  = 5 # two good answers: in service 10 s after the start; two bad ones: out of it
      timeout   = 3
      threshold = 2
    }
  }
}
