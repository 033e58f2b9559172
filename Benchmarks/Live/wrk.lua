-- Uploads when BENCH_UPLOAD_BYTES is set; one line of numbers for bench.py at the end.
local upload = tonumber(os.getenv("BENCH_UPLOAD_BYTES") or "0")
if upload > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("u", upload)
  wrk.headers["Content-Type"] = "application/octet-stream"
end

-- Keys for the strategies that have one: the query parameter id, from 1 to BENCH_KEYS in turns.
-- With BENCH_HOSTS, two names, requests go to one and then the other, in turns of BENCH_TURN_MS
-- of the monotonic clock; asked_1 and asked_2 count them.
local keys = tonumber(os.getenv("BENCH_KEYS") or "0")
local hosts, milliseconds = {}, tonumber(os.getenv("BENCH_TURN_MS") or "0")
for host in (os.getenv("BENCH_HOSTS") or ""):gmatch("[^,]+") do hosts[#hosts + 1] = host end
asked_1, asked_2 = 0, 0

local threads = {}
function setup(thread) threads[#threads + 1] = thread end

local function turn()
  return 1
end
if #hosts == 2 then
  local ffi = require("ffi")
  ffi.cdef("struct bench_time { long seconds, nanoseconds; };" ..
    "int clock_gettime(int clock, struct bench_time *time);")
  local time = ffi.new("struct bench_time")
  turn = function()
    ffi.C.clock_gettime(1, time)
    local now = tonumber(time.seconds) * 1000 + tonumber(time.nanoseconds) / 1e6
    return math.floor(now / milliseconds) % 2 + 1
  end
end

if keys > 0 then
  local made, next = { {}, {} }, 0
  function request()
    local which = turn()
    if which == 1 then asked_1 = asked_1 + 1 else asked_2 = asked_2 + 1 end
    next = next % keys + 1
    local mine = made[which]
    if not mine[next] then
      if hosts[which] then wrk.headers["Host"] = hosts[which] end
      mine[next] = wrk.format(nil, wrk.path .. "?id=" .. next)
    end
    return mine[next]
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  local first, second = 0, 0
  for _, thread in ipairs(threads) do
    first, second = first + thread:get("asked_1"), second + thread:get("asked_2")
  end
  io.write(string.format(
    "BENCH requests=%d us=%d bytes=%d connect=%d read=%d write=%d status=%d timeout=%d " ..
    "p50=%d p90=%d p99=%d max=%d asked_1=%d asked_2=%d\n",
    summary.requests, summary.duration, summary.bytes,
    e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
    first, second))
end
