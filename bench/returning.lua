-- wrk's script: each request is the next line of a file, a query and its cookies. An answer other than 200 is a fault.

local lines, path
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  lines = io.lines(args[1])
  path = wrk.path
  others = 0
end

function request()
  local line = lines()
  -- Nobody comes back twice: what follows is refused, and so the whole measure.
  if not line then return wrk.format('GET', '/no-more-lines') end
  local query, cookie = line:match('^(%S+) (.+)$')
  return wrk.format('GET', path .. '?' .. query, { Host = wrk.host, Cookie = cookie })
end

function response(status)
  if status ~= 200 then others = others + 1 end
end

function done()
  for _, thread in ipairs(threads) do
    local count = thread:get('others')
    if count > 0 then print('Socket errors: ' .. count .. ' answers were not 200') end
  end
end
