# What nginx says in the server's stead: the members of problem details (RFC 9457) for each status that it answers by
# itself. Where the server knows the same error (src/api, src/http), code and detail are the server's own.
{
  "400" = {
    title = "Bad Request";
    code = "bad_request";
    detail = "This is not a request that HTTP/1.1 allows.";
  };
  "404" = {
    title = "Not Found";
    code = "not_found";
    detail = "There is nothing at this path. The API is described at /docs.";
  };
  "405" = {
    title = "Method Not Allowed";
    code = "method_not_allowed";
    detail = "This method is not allowed here.";
  };
  "413" = {
    title = "Content Too Large";
    code = "body_too_large";
    detail = "The body may have 64 KiB at most.";
  };
  "414" = {
    title = "URI Too Long";
    code = "uri_too_long";
    detail = "The path and query may have 8,000 bytes at most.";
  };
  "429" = {
    title = "Too Many Requests";
    code = "rate_limited";
    detail = "Too many requests from this address. Try again in a second.";
    retryAfter = 1;
  };
  "431" = {
    title = "Request Header Fields Too Large";
    code = "headers_too_large";
    detail = "The headers may have 16 KiB together at most.";
  };
  "500" = {
    title = "Internal Server Error";
    code = "internal_error";
    detail = "The server failed to handle this request. Quote the request_id when you report it.";
  };
  "501" = {
    title = "Not Implemented";
    code = "not_implemented";
    detail = "This transfer coding is not supported. Send the body with a Content-Length, or chunked.";
  };
  "502" = {
    title = "Bad Gateway";
    code = "server_unavailable";
    detail = "The server does not answer at the moment. Try again a little later.";
    retryAfter = 1;
  };
  "503" = {
    title = "Service Unavailable";
    code = "server_unavailable";
    detail = "The server does not answer at the moment. Try again a little later.";
    retryAfter = 1;
  };
  "504" = {
    title = "Gateway Timeout";
    code = "deadline_exceeded";
    detail = "The request took too long and was given up. Try again a little later.";
    retryAfter = 2;
  };
  "505" = {
    title = "HTTP Version Not Supported";
    code = "http_version_not_supported";
    detail = "Use HTTP/1.1.";
  };
}
