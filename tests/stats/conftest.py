"""Properties are checked on 25 examples and without a deadline: a busy machine is no failure."""

from hypothesis import HealthCheck, settings

settings.register_profile("quick", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")
