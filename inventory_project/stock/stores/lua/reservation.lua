-- ARGV: order. Answers "state lines" where it has a reservation.
return { "done", redis.call("HGET", RESERVATIONS, ARGV[1]) }
