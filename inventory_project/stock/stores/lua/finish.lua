-- ARGV: order, "released" or "fulfilled", operation, by. Answers "state lines".
local order, kind, operation, by = unpack(ARGV)

local lines = "[]" -- a tombstone, where the release came first
local known = redis.call("HGET", RESERVATIONS, order)
if known then
  local state
  state, lines = known:match("^(%a+) (.*)$")
  if state ~= "reserved" then
    return { "known", known }
  end
elseif kind == "fulfilled" then
  return { "unknown" }
end

for _, line in ipairs(cjson.decode(lines)) do
  local sku, quantity = unpack(line)
  redis.call("HINCRBY", RESERVED, sku, -quantity)
  if kind == "fulfilled" then
    redis.call("HINCRBY", ON_HAND, sku, -quantity)
  end
end
known = kind .. " " .. lines
redis.call("HSET", RESERVATIONS, order, known)
append(kind, operation, lines, by, order, "")
return { "done", known }
