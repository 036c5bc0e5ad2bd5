# The timeout chain, in seconds. nginx is configured from it. What AWS is told (terraform/timeouts.tf) is compared
# with it by tests/terraform, and the server's own constants by tests/service/container/configuration.rs, which also checks
# every "must" below.
#
# Two rules make the chain. An idle connection is closed by the side that sends requests on it, never under a request
# by the side that answers: each keep-alive is longer than that of the hop before it. And a slow request is given up by
# the hop nearest to it, so that the client hears why: each deadline is shorter than that of the hop before it.
{
  # client -> load balancer. Also the longest that a response may stay silent.
  loadBalancerIdle = 60;
  # load balancer -> nginx; must be longer than loadBalancerIdle.
  nginxKeepAlive = 75;
  # nginx -> server, while nginx has no use for the connection.
  nginxUpstreamKeepAlive = 60;
  # The same connection, as the server sees it; must be longer than nginxUpstreamKeepAlive.
  serverKeepAlive = 90;

  # The server gives up a request.
  requestDeadline = 10;
  # nginx gives up the server; must be longer than requestDeadline and shorter than loadBalancerIdle.
  nginxProxyRead = 15;
  # A unix socket connects at once or its queue is full.
  nginxProxyConnect = 2;
  # The server takes the request in; it reads as fast as it can.
  nginxProxySend = 5;

  # A client may take this long between two bytes of its request, and as long over all of its headers (slowloris).
  clientSend = 10;
  # A client may refuse the bytes of an answer for this long.
  clientReceive = 30;

  # After SIGTERM: still served while the load balancer looks away (DRAIN_SECONDS in production). Must be longer than
  # healthCheckInterval * unhealthyThreshold and than deregistrationDelay, for either may be what stops the requests.
  drain = 20;
  healthCheckInterval = 5;
  unhealthyThreshold = 2;
  deregistrationDelay = 15;
  # With one writer (database = "efs") the next task starts when this one has ended, and nobody else takes the requests
  # that a drain would wait for: each second of it is a second of outage. The delay is left for requests under way.
  oneWriterDrain = 0;
  oneWriterDeregistrationDelay = 5;
  # Then nginx and the server finish what is under way and end, whatever holds them up; must be longer than
  # requestDeadline.
  stop = 12;
  # ECS kills what still runs (120 s is the most that Fargate allows); must be longer than drain and stop together.
  stopTimeout = 120;
}
