"""Settings for all tests."""

from hypothesis import HealthCheck, settings

settings.register_profile("nmc", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("campaign", parent=settings.get_profile("nmc"), max_examples=2500)
settings.load_profile("nmc")
