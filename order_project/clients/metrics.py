"""Whether the other services are worth asking, and how often prices need not be asked for."""

from prometheus_client import Counter, Gauge

# Of the process that asked last: one that has not asked since an outage still has its circuit open.
BREAKER_STATE = Gauge(
    "freehold_breaker_state",
    "The circuit to a service, as who asked it last has it: 0 closed, 1 half open, 2 open.",
    ["service"],
    multiprocess_mode="livemostrecent",
)
QUESTIONS_IN_VAIN = Counter(
    "freehold_breaker_questions_in_vain",
    "Questions that a service did not answer, or was spared by its open circuit.",
    ["service"],
)
PRICE_CACHE_HITS = Counter("freehold_price_cache_hits", "Prices that the cache had, and fresh.")
PRICE_CACHE_MISSES = Counter(
    "freehold_price_cache_misses", "Prices that product_project had to be asked for."
)
PRICE_STALE_ANSWERS = Counter(
    "freehold_price_stale_answers", "Price lists with stale prices, for want of an answer."
)
