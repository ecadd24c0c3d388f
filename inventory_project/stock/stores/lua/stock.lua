-- What each script begins with: names for the keys, and no answer from a Redis that lost its data.
local MARKER, ON_HAND, RESERVED, RESERVATIONS, RECEIPTS, MOVEMENTS = unpack(KEYS)

if redis.call("EXISTS", MARKER) == 0 then
  return { "lost" }
end

local function count(hash, sku)
  return tonumber(redis.call("HGET", hash, sku) or 0)
end

-- Appends to the stream from which the ledger is copied; its ids tell the time.
local function append(kind, operation, lines, by, order, reason)
  redis.call("XADD", MOVEMENTS, "*", "kind", kind, "operation", operation, "lines", lines,
    "by", by, "order", order, "reason", reason)
end
