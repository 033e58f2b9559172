-- Uploads when BENCH_UPLOAD_BYTES is set; one line of numbers for bench.py at the end.
local upload = tonumber(os.getenv("BENCH_UPLOAD_BYTES") or "0")
if upload > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("u", upload)
  wrk.headers["Content-Type"] = "application/octet-stream"
end

-- Keys for the strategies that have one: the query parameter id, from 1 to BENCH_KEYS in turns.
local keys = tonumber(os.getenv("BENCH_KEYS") or "0")
if keys > 0 then
  local made, next = {}, 0
  function request()
    next = next % keys + 1
    made[next] = made[next] or wrk.format(nil, wrk.path .. "?id=" .. next)
    return made[next]
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    "BENCH requests=%d us=%d bytes=%d connect=%d read=%d write=%d status=%d timeout=%d " ..
    "p50=%d p90=%d p99=%d max=%d\n",
    summary.requests, summary.duration, summary.bytes,
    e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
