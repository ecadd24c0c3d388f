-- ARGV: receipt, SKU, quantity, reason, by. Answers what is on hand and what is reserved.
local receipt, sku, quantity, reason, by = unpack(ARGV)
local on_hand, reserved = count(ON_HAND, sku), count(RESERVED, sku)
local content = sku .. " " .. quantity .. " " .. reason

local known = redis.call("HGET", RECEIPTS, receipt)
if known then
  return { known == content and "again" or "differs", on_hand, reserved }
end
if tonumber(quantity) < 0 and on_hand + quantity < reserved then
  return { "below", on_hand, reserved }
end

redis.call("HSET", RECEIPTS, receipt, content)
on_hand = redis.call("HINCRBY", ON_HAND, sku, quantity)
append("received", receipt, cjson.encode({ { sku, tonumber(quantity) } }), by, "", reason)
return { "done", on_hand, reserved }
