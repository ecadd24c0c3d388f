-- ARGV: order, lines as [[SKU, quantity], ...], operation, by. Holds all lines or none.
local order, lines, operation, by = unpack(ARGV)

local known = redis.call("HGET", RESERVATIONS, order)
if known then
  return { "known", known }
end

local short = {}
local wanted = cjson.decode(lines)
for _, line in ipairs(wanted) do
  local sku, quantity = unpack(line)
  local available = count(ON_HAND, sku) - count(RESERVED, sku)
  if available < quantity then
    table.insert(short, { sku, quantity, available })
  end
end
if #short > 0 then
  return { "short", short }
end

for _, line in ipairs(wanted) do
  redis.call("HINCRBY", RESERVED, line[1], line[2])
end
redis.call("HSET", RESERVATIONS, order, "reserved " .. lines)
append("reserved", operation, lines, by, order, "")
return { "done" }
