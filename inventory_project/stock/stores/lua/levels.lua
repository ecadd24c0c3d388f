-- ARGV: SKUs. Answers what is on hand and what is reserved of each.
if #ARGV == 0 then
  return { "done", {}, {} }
end
return { "done", redis.call("HMGET", ON_HAND, unpack(ARGV)), redis.call("HMGET", RESERVED, unpack(ARGV)) }
