# The configuration of nginx: numbers and strings in, one string out, for any Nix and without nixpkgs:
#
#   nix-instantiate --eval --strict --json -E 'import ./nix/nginx-conf.nix { listen = "127.0.0.1:8080"; }'
#
# Every path in it is relative to the runtime directory, where `slipway container` starts nginx and puts its socket,
# trusted-proxies.conf, allowed-origins.conf and exposed-headers.conf; so the same file serves in the image, in the tests and on a developer's machine.
{
  # Where nginx listens. `[::]:8080` is IPv6 alone, or both with `[::]:8080 ipv6only=off`.
  listen ? "8080",
  # One process is enough for some 10,000 requests a second; each further one takes 1 to 2 MB.
  workerProcesses ? 1,
  # Clients' connections and those to the server together; each takes some 400 bytes even when it is not used.
  workerConnections ? 4096,
  # Requests of one address that are served at the same time; one page of a browser has six.
  connectionsPerAddress ? 100,
  # What nginx lets through of the routes that take a secret, from one address. Far above the server's own limits (60
  # a minute, 600 for refreshes), whose answer says more: this only keeps a flood from reaching the server. `burst`
  # must not be less than what the server admits in one minute.
  credentialsPerSecond ? 5,
  credentialsBurst ? 150,
  refreshesPerSecond ? 30,
  refreshesBurst ? 700,
  # The server's limit (MAX_BODY_BYTES in src/api/input.rs).
  maxBodyBytes ? 65536,
  timeouts ? import ./timeouts.nix,
  problems ? import ./nginx-problems.nix,
  # The modules with a temporary folder that nginx was built with although nothing here needs them. Built without them
  # it does not know their directives; built with them it would use a folder outside the runtime directory.
  unusedModules ? [
    "fastcgi"
    "uwsgi"
    "scgi"
  ],
}:
let
  lines = builtins.concatStringsSep "\n";
  seconds = name: "${toString timeouts.${name}}s";
  statuses = builtins.attrNames problems;

  # nginx takes no higher limit.
  connectionsPerSite = if connectionsPerAddress < 6553 then 10 * connectionsPerAddress else 65535;

  # Rows of a map from the status to a member of its problem, or to nothing.
  rows =
    member:
    lines (
      map (status: "    ${status} \"${toString (problems.${status}.${member} or "")}\";") statuses
    );
in
''
  daemon off;
  worker_processes ${toString workerProcesses};
  pid nginx.pid;
  lock_file nginx.lock;
  # PID 1 reads these lines and logs them in the server's own format. Below "warn" every start and stop has a dozen.
  error_log stderr warn;
  # Connections that would not end by themselves after SIGQUIT.
  worker_shutdown_timeout ${seconds "nginxProxyRead"};

  events {
    worker_connections ${toString workerConnections};
  }

  http {
    client_body_temp_path client_body;
    proxy_temp_path proxy;
  ${lines (map (name: "  ${name}_temp_path ${name};") unusedModules)}

    server_tokens off;
    default_type application/octet-stream;
    reset_timedout_connection on;
    # For the longest origin, whose host has 253 characters. Before any map, which would set the usual size.
    map_hash_bucket_size 512;

    # Who is asking.

    # The address that the nearest trusted proxy saw. TRUSTED_PROXIES, one set_real_ip_from for each; without any the
    # header is not looked at.
    include trusted-proxies.conf;
    real_ip_header X-Forwarded-For;
    real_ip_recursive on;

    # The id of the request, the same in every log: that of the load balancer if it is one of TRUSTED_PROXIES, which the address
    # of its connection is replaced for, else a new one. A client's own X-Request-Id is not taken, since a load balancer
    # passes it on: two users could share one. What is taken over can stand in JSON and in a header as it is.
    map "$realip_remote_addr $remote_addr" $trace_of_proxy {
      "~^(\S+) \1$" "";
      default $http_x_amzn_trace_id;
    }
    map $trace_of_proxy $log_id {
      "~^[A-Za-z0-9._=;:/+-]{1,128}$" $trace_of_proxy;
      default $request_id;
    }

    # How much of it.

    client_max_body_size ${toString maxBodyBytes};
    # Twice the body, so that a chunked one is in memory with its framing. Only one whose chunks are tiny is not; its
    # file is in the runtime directory.
    client_body_buffer_size ${toString (2 * maxBodyBytes)};
    client_header_buffer_size 1k;
    # One buffer, so that it bounds all headers together. The server takes 32 KiB (src/server/accept.rs).
    large_client_header_buffers 1 16k;
    # RFC 9110, section 4.1, asks for 8,000 bytes at least.
    map $request_uri $uri_is_too_long {
      "~^.{8001}" 1;
      default 0;
    }

    client_header_timeout ${seconds "clientSend"};
    client_body_timeout ${seconds "clientSend"};
    send_timeout ${seconds "clientReceive"};
    keepalive_timeout ${seconds "nginxKeepAlive"};
    keepalive_requests 1000000;

    # A request that is not for such a route has an empty key, which is not counted.
    map $request_method$uri $credentials_key {
      POST/login $client_network;
      POST/register $client_network;
      POST/password $client_network;
      default "";
    }
    map $request_method$uri $refresh_key {
      POST/refresh $client_network;
      default "";
    }
    # 1 MB holds some 8,000 addresses; then the oldest are forgotten.
    limit_req_zone $credentials_key zone=credentials:1m rate=${toString credentialsPerSecond}r/s;
    limit_req_zone $refresh_key zone=refreshes:1m rate=${toString refreshesPerSecond}r/s;
    limit_conn_zone $client_network zone=connections:1m;
    # An IPv6 /48 holds 65,536 networks and is given to one customer for the asking: all of it gets ten times as much
    # (WIDE_FACTOR in src/auth/rate_limit.rs).
    limit_req_zone $credentials_site zone=credentials-of-sites:1m rate=${
      toString (10 * credentialsPerSecond)
    }r/s;
    limit_conn_zone $client_site zone=connections-of-sites:1m;
    limit_req zone=credentials-of-sites burst=${toString (10 * credentialsBurst)} nodelay;
    limit_conn connections-of-sites ${toString connectionsPerSite};
    limit_req zone=credentials burst=${toString credentialsBurst} nodelay;
    limit_req zone=refreshes burst=${toString refreshesBurst} nodelay;
    limit_conn connections ${toString connectionsPerAddress};
    limit_req_status 429;
    limit_conn_status 429;
    # The access line says it.
    limit_req_log_level info;
    limit_conn_log_level info;

    # What nginx answers by itself.

    map $status $problem_title {
      default "Error";
  ${rows "title"}
    }
    map $status $problem_code {
      default "error";
  ${rows "code"}
    }
    map $status $problem_detail {
      default "The request failed.";
  ${rows "detail"}
    }
    map $status $problem_retry_after {
      default "";
  ${rows "retryAfter"}
    }
    map $status $problem_allow {
      default "";
      405 "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    }
    # `return` escapes nothing: a path is quoted only when it has no character that JSON would have to escape.
    map $request_uri $problem_instance {
      "~^(?<harmless_path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,1023})(\?|$)" $harmless_path;
      default /;
    }
    # Whose pages may read it, as the server has it (src/config/origins.rs): ALLOWED_ORIGINS, one row for each.
    map $http_origin $allowed_origin {
      include allowed-origins.conf;
      default "";
    }
    # As the server, which sends it in production: browsers heed it only where TLS was used up to the load balancer.
    map $http_x_forwarded_proto $strict_transport_security {
      https "max-age=31536000; includeSubDomains";
      default "";
    }

    # What is logged.

    # The server logs whatever it answered. This is for the rest: what never reached it, what it did not answer, and
    # clients that went away, for whom it stops in the middle.
    map $upstream_header_time $has_no_other_line {
      "" 1;
      "~-$" 1;
      default 0;
    }
    map "$time_iso8601 $msec" $timestamp {
      "~^(?<second>\S+?)(?<zone>[+-]\d\d:\d\d) \d+(?<fraction>\.\d+)$" "$second$fraction$zone";
      default $time_iso8601;
    }
    map $status $level {
      "~^50[0234]" WARN;
      default INFO;
    }
    map "$request_time" $duration_ms {
      "~^0\.0*(?<below_a_second>\d+)$" $below_a_second;
      "~^(?<whole>\d+)\.(?<thousandths>\d+)$" "$whole$thousandths";
      default 0;
    }
    log_format access escape=json
      '{"timestamp":"$timestamp","level":"$level","target":"nginx::access","message":"request",'
      '"request_id":"$log_id","method":"$request_method","path":"$problem_instance","status":$status,'
      '"duration_ms":$duration_ms,"client":"$remote_addr"}';
    access_log /dev/stdout access if=$has_no_other_line;

    # Compression.

    # What the server makes for each request; its pages come compressed. Answers with tokens are smaller than this
    # length and stay as they are, so their size tells nothing about them (BREACH).
    gzip on;
    gzip_min_length 1024;
    gzip_types application/json application/problem+json application/openmetrics-text text/plain;
    gzip_vary on;
    gzip_proxied any;

    upstream server {
      server unix:http.sock;
      # Of more requests at a time each opens a connection of its own, which costs both sides about as much as a short
      # request. One that is kept takes 17 KB in the server, and is closed when it is idle for long.
      keepalive 128;
      keepalive_requests 1000000;
      keepalive_timeout ${seconds "nginxUpstreamKeepAlive"};
    }

    server {
      listen ${listen} default_server;

      # A path and no named location, which a request line that cannot be read would not find its way to.
      error_page ${builtins.concatStringsSep " " statuses} /nginx-problem;
      error_page 494 =431 /nginx-problem;

      # Two more maps would take a megabyte and a half.
      set $allowed_credentials "";
      set $exposed_headers "";
      if ($allowed_origin) {
        set $allowed_credentials true;
        include exposed-headers.conf;
      }

      # Whose limits count: an IPv4 address, also one that is written as IPv6, or the /64 that one IPv6 client has to
      # itself, as the server counts them (src/auth/rate_limit.rs).
      set $client_network $binary_remote_addr;
      # And the /48 around it.
      set $client_site "";
      if ($binary_remote_addr ~ "(?s)^((.{6}).{2}).{8}$") {
        set $client_network $1;
        set $client_site $2;
      }
      if ($binary_remote_addr ~ "(?s)^\x00{10}\xff\xff(.{4})$") {
        set $client_network $1;
        set $client_site "";
      }
      set $credentials_site $client_site;
      if ($credentials_key = "") {
        set $credentials_site "";
      }

      # The host that the request is for: that of its first line, which then counts alone (RFC 9112, section 3.2.2), else the Host
      # line. As sent, with its port: the server compares it with the Origin. HTTP/1.0 need not say; the server is asked
      # in HTTP/1.1, which must, and gets a name that no page comes from (RFC 2606).
      set $target_host $http_host;
      if ($request ~ "^\S+ [A-Za-z]+://([^/?# ]+)") {
        set $target_host $1;
      }
      if ($target_host = "") {
        set $target_host unknown.invalid;
      }

      # The headers that the server sets (src/http/mod.rs), on everything that does not come from it.
      add_header X-Request-Id $log_id always;
      add_header X-Content-Type-Options nosniff always;
      add_header Referrer-Policy no-referrer always;
      add_header Cross-Origin-Resource-Policy same-origin always;
      add_header Cache-Control no-store always;
      add_header Content-Security-Policy "default-src 'none'; frame-ancestors 'none'" always;
      add_header Strict-Transport-Security $strict_transport_security always;
      add_header Retry-After $problem_retry_after always;
      add_header Allow $problem_allow always;
      add_header Vary Origin always;
      add_header Access-Control-Allow-Origin $allowed_origin always;
      add_header Access-Control-Allow-Credentials $allowed_credentials always;
      add_header Access-Control-Expose-Headers $exposed_headers always;

      location / {
        if ($uri_is_too_long) {
          return 414;
        }

        # A header here, if an empty one that is not sent, keeps those above off the server's answers.
        add_header X-Request-Id "";

        proxy_pass http://server;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $target_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Request-Id $log_id;

        proxy_connect_timeout ${seconds "nginxProxyConnect"};
        proxy_send_timeout ${seconds "nginxProxySend"};
        proxy_read_timeout ${seconds "nginxProxyRead"};
        # Again on a fresh connection when a kept one turns out to be closed; a POST that was sent is never sent twice.
        proxy_next_upstream error;
        # A long answer waits in the server for a slow client and not on a disk.
        proxy_max_temp_file_size 0;
      }

      # What scanners ask every host for. The server has nothing there, either; this takes less than half of the
      # processor time (19 instead of 45 microseconds).
      location ~* ^/\.(?!well-known/)|^/wp-|\.php$ {
        return 404;
      }

      location = /nginx-problem {
        internal;
        default_type application/problem+json;
        return 200 '{"type":"about:blank","title":"$problem_title","status":$status,"detail":"$problem_detail","instance":"$problem_instance","code":"$problem_code","request_id":"$log_id"}';
      }
    }
  }
''
