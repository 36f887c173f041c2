"""The embedded dataset `demo`; tools/make_demo_dataset.py makes it."""
