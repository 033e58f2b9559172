// swift-format-ignore-file
// Written by Tests/Support/embed-scenarios.sh from config/scenarios; `make scenarios`.

extension StandardScenarios {
    static let texts: [(name: String, text: String)] = [
("uniform", #"""
title: Equal servers, equal requests
about: >-
  The textbook: ten servers that take one request at a time, exponential service, Poisson
  arrivals. Shows how much of the waiting a strategy takes away, with the lines of queueing
  theory beside it.
servers: 10
service: exponential
requests: 200000
load: 0.9
variants:
  - {name: load 0.5, load: 0.5}
  - {name: load 0.7, load: 0.7}
  - {name: load 0.8, load: 0.8}
  - {name: load 0.9, load: 0.9}
  - {name: load 0.95, load: 0.95, requests: 400000}

"""#),
("mixed-cost", #"""
title: A few requests cost much more than the others
about: >-
  Reports among page views. A strategy that does not see the one long request sends others to
  wait behind it, and one that judges a server by its last answer takes the server for slow.
servers: 10
requests: 200000
load: 0.8
variants:
  - {name: one of a hundred costs 50 times as much, service: bimodal 1% x50}
  - {name: lognormal with variance 4, service: lognormal 4}
  - {name: Pareto tail of 2.5, service: pareto 2.5}

"""#),
("mixed-speed", #"""
title: Half of the servers are faster
about: >-
  Two generations of machines, five of speed 1.25 and five of 0.75. With equal weights a strategy
  must find out; with weights that fit it must obey. And machines with many processors, on which
  one more request costs nothing until they are full.
requests: 200000
load: 0.8
servers:
  - {count: 5, speed: 1.25}
  - {count: 5, speed: 0.75}
variants:
  - {name: equal weights}
  - name: weights that fit
    servers:
      - {count: 5, speed: 1.25, weight: 5}
      - {count: 5, speed: 0.75, weight: 3}
  - name: equal weights, sixteen requests at once on each
    load: 0.85
    servers:
      - {count: 5, speed: 1.25, slots: 16, discipline: sharing}
      - {count: 5, speed: 0.75, slots: 16, discipline: sharing}

"""#),
("one-slow", #"""
title: One server is ten times slower
about: >-
  A disc that dies, a machine that swaps. Always, and from two fifths of the run to three fifths.
requests: 200000
load: 0.7
servers: [{count: 1, speed: 0.1}, {count: 9}]
variants:
  - {name: always}
  - name: for a while
    servers: 10
    events: [{at: 40%, until: 60%, fault: slow, speed: 0.1, servers: [1]}]

"""#),
("half-slow", #"""
title: Several servers are five times slower
about: >-
  With two draws among four servers of which two are slow, both draws are slow once in six picks,
  whatever the counts say: the floor of sampling.
requests: 200000
load: 0.6
servers: [{count: 2, speed: 0.2}, {count: 2}]
variants:
  - {name: two of four}
  - name: three of ten
    servers: [{count: 3, speed: 0.2}, {count: 7}]

"""#),
("antagonist", #"""
title: Neighbours take the processor from time to time
about: >-
  Every server loses seven tenths of its speed for some ten service times, every fifty or so,
  at moments of its own. Yesterday's averages are wrong here, and counts are not.
requests: 200000
load: 0.65
servers: {count: 10, antagonist: {every: 50, lasts: 10, speed: 0.3}}

"""#),
("sinkhole", #"""
title: One of ten servers fails at once
about: >-
  It answers 503 in a hundredth of a service time, from the first request on, and so looks idle
  and fast. A fair share of the requests, a tenth, must be lost before anybody can know; what is
  lost beyond it is the strategy's doing. With ejection off and on, and without the rule that a
  failed request keeps its slot.
requests: 200000
load: 0.8
servers: 10
events: [{at: 0, fault: fail-fast, after: 0.01, servers: [1]}]
variants:
  - name: no ejection
    proxy: {outliers: off, retries: off}
  - name: no ejection, slots not held
    proxy: {outliers: off, retries: off, hold_failed_slots: off}
  - name: with ejection
    proxy: {retries: off}
  - name: with ejection and retries of 503
    proxy: {retries: {when: [connect, reset, "503"]}}

"""#),
("hang", #"""
title: One of ten servers accepts and does not answer
about: >-
  From three tenths of the run to six tenths. The proxy gives up after one second, a hundred
  service times, and tries another server. What matters is how many requests are sent into the
  hole before that.
requests: 200000
load: 0.7
servers: 10
deadline: 50
events: [{at: 30%, until: 60%, fault: hang, servers: [1]}]
variants:
  - name: timeouts and ejection
    proxy:
      response_timeout: 1s
      retries: {when: [connect, reset, timeout]}
  - name: active checks as well
    proxy:
      response_timeout: 1s
      retries: {when: [connect, reset, timeout]}
      checks: on

"""#),
("scale-out", #"""
title: A fifth server joins four busy ones
about: >-
  At load 0.9, when two fifths of the run are over. The newcomer has nothing in flight, so it
  looks better than it is; slow start is there to keep it from being overrun. Warm, and cold: its
  first request takes four times as long, falling to normal over a hundred.
requests: 100000
load: 0.9
servers: 4
proxy: {slow_start: 10s}
events: [{at: 40%, join: {count: 1}}]
variants:
  - {name: warm newcomer}
  - name: cold newcomer
    events: [{at: 40%, join: {count: 1, cold: {factor: 4, requests: 100}}}]
  - name: cold newcomer, no slow start
    proxy: {slow_start: off}
    events: [{at: 40%, join: {count: 1, cold: {factor: 4, requests: 100}}}]

"""#),
("scale-in", #"""
title: One of five servers leaves
about: >-
  When half of the run is over: drained, so that it finishes what it has, or killed with it.
requests: 100000
load: 0.7
servers: 5
proxy: default
variants:
  - name: drained
    events: [{at: 50%, drain: [5]}]
  - name: killed
    events: [{at: 50%, leave: [5]}]

"""#),
("rolling", #"""
title: All servers are restarted, one after another
about: >-
  Each is down for a second, starts cold (three times slower, falling to normal over a hundred
  requests), and the next one follows five seconds later. Drained first, or simply stopped, which
  active checks and retries must catch.
requests: 100000
load: 0.6
servers: 5
variants:
  - name: drained first
    proxy: default
    events:
      - {at: 20%, rolling: {down: 100, pause: 500, cold: {factor: 3, requests: 100}}}
  - name: simply stopped
    proxy: {checks: on}
    events:
      - {at: 20%, rolling: {drain: off, down: 100, pause: 500, cold: {factor: 3, requests: 100}}}

"""#),
("burst", #"""
title: Bursts
about: >-
  Three times the load for ten service times, nine times in the run; and a process that has such
  bursts a tenth of the time. What was queued must drain again.
requests: 100000
load: 0.6
servers: 10
variants:
  - name: nine bursts
    events:
      - {at: 10%, for: 10, load: 3}
      - {at: 20%, for: 10, load: 3}
      - {at: 30%, for: 10, load: 3}
      - {at: 40%, for: 10, load: 3}
      - {at: 50%, for: 10, load: 3}
      - {at: 60%, for: 10, load: 3}
      - {at: 70%, for: 10, load: 3}
      - {at: 80%, for: 10, load: 3}
      - {at: 90%, for: 10, load: 3}
  - name: a bursty process
    arrivals: {bursty: {peak: 3, length: 10, share: 10%}}

"""#),
("workers", #"""
title: Several balancers before the same servers
about: >-
  Each counts its own requests only, as proxies do that know nothing of each other. Within one
  process all workers share their counts, which is the last variant.
requests: 200000
load: 0.9
servers: 10
counts: own
variants:
  - {name: 1 balancer, workers: 1}
  - {name: 2 balancers, workers: 2}
  - {name: 4 balancers, workers: 4}
  - {name: 8 balancers, workers: 8}
  - {name: 8 workers that share counts, workers: 8, counts: shared}

"""#),
("hot-key", #"""
title: Some keys are asked for much more than others
about: >-
  A thousand keys by Zipf's law with exponent 1.1, and servers that remember fifty keys each: a
  request whose key is remembered costs a fifth. Keeping a key on its server makes hits; keeping
  a hot key on one server makes a queue, unless its load is bounded.
requests: 200000
load: 0.9
servers: 10
keys: {count: 1000, zipf: 1.1, cache: 50, hit_cost: 0.2}
events: [{at: 60%, join: {count: 1}}]
proxy: {slow_start: off}

"""#),
    ]
}
