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

local promised = cjson.decode(lines)
local missing = {} -- where a failover lost reservations, more may be promised than there is
for _, line in ipairs(promised) do
  local sku, quantity = unpack(line)
  if kind == "fulfilled" and count(ON_HAND, sku) < quantity then
    table.insert(missing, { sku, quantity, count(ON_HAND, sku) })
  end
end
if #missing > 0 then
  return { "missing", missing }
end

for _, line in ipairs(promised) do
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
