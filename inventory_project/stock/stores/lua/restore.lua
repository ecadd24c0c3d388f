-- KEYS: the marker, then each key after its staged content. ARGV: now. Puts all in place at once.
if redis.call("EXISTS", KEYS[1]) == 1 then
  return { "open" }
end
for i = 2, #KEYS, 2 do
  redis.call("UNLINK", KEYS[i + 1])
  if redis.call("EXISTS", KEYS[i]) == 1 then
    redis.call("RENAME", KEYS[i], KEYS[i + 1])
    redis.call("PERSIST", KEYS[i + 1]) -- what is staged expires
  end
end
redis.call("SET", KEYS[1], ARGV[1])
return { "done" }
