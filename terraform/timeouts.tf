# AWS's links of the timeout chain, in seconds. Each waits longer than the next one in, so that the side which knows why
# a connection ends is the one that ends it:
#   request deadline in the server < nginx's < ALB idle < nginx's keep-alive < the server's
#   a stopping task: the ALB deregisters it while the app drains, then every container stops before ECS kills it
locals {
  timeouts = {
    alb_idle       = 60  # the ALB's default; nginx keeps connections longer, or the ALB would meet closed ones (502)
    deregistration = 15  # less than the drain: the ALB forgets the task while the task still answers
    drain          = 20  # DRAIN_SECONDS of the app
    stop           = 120 # stopTimeout, Fargate's maximum and a Spot warning's length; the app needs less than 45
    health_grace   = 90  # initdb and migrations of a first start took 9 s; EFS is slower, and waits for the old task

    health_check = {
      interval  = 5 # two good answers: in service 10 s after the start; two bad ones: out of it
      timeout   = 3
      threshold = 2
    }
  }
}
