-- wrk -s post.lua URL -- FILE: posts the bodies in FILE in turn; an empty line ends each.
-- Prints the requests that were answered, those that failed, and the seconds it took.
local requests, at = {}, 0

function init(args)
  local file = assert(io.open(args[1]))
  for body in file:read('*a'):gmatch('(.-)\n\n') do
    requests[#requests + 1] = wrk.format('POST', nil, nil, body)
  end
  file:close()
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary)
  local failed = 0
  for _, count in pairs(summary.errors) do
    failed = failed + count
  end
  print(('answered %d failed %d seconds %f'):format(summary.requests, failed, summary.duration / 1e6))
end
