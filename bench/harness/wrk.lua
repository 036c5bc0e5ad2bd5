-- wrk -s wrk.lua URL -- FILE [rotate]
--
-- FILE holds raw requests, each after a line with its length (as for bench/load). Without `rotate` the first is sent
-- over and over, without Lua in between. With it they are taken in turn, and the cookie that an answer sets replaces
-- that of its request: one that was answered goes to the end of the queue.

local queue, first, last = {}, 1, 0

local function push(cookie)
  last = last + 1
  queue[last] = cookie
end

local function read_requests(path)
  local requests, file = {}, assert(io.open(path, "rb"))
  for length in file:lines() do
    requests[#requests + 1] = file:read(tonumber(length))
  end
  file:close()
  return requests
end

function init(args)
  local requests = read_requests(args[1])
  local raw = requests[1]
  wrk.method, wrk.path = raw:match("^(%S+) (%S+)")
  local head, body = raw:match("^(.-)\r\n\r\n(.*)$")
  for name, value in head:gmatch("\r\n([^:\r\n]+): ([^\r\n]*)") do
    if name ~= "Content-Length" then wrk.headers[name] = value end
  end
  if body ~= "" then wrk.body = body end
  if args[2] ~= "rotate" then return end

  for _, each in ipairs(requests) do
    push(each:match("\r\nCookie: ([^\r\n]*)"))
  end
  local before, after = raw:match("^(.*\r\nCookie: )[^\r\n]*(.*)$")
  request = function()
    -- More are in the queue than there are connections, unless answers failed to bring new ones.
    local cookie = queue[first] or ""
    if queue[first] then
      queue[first], first = nil, first + 1
    end
    return before .. cookie .. after
  end
  response = function(status, headers)
    local cookie = headers["set-cookie"] or headers["Set-Cookie"]
    if status == 200 and cookie then push(cookie:match("^[^;]+")) end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%f,"errors":%d,"p50":%f,"p99":%f,"p999":%f,"max":%f}\n',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
