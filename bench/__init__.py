"""What does it cost?  A load generator that activates marbles as real ones do, and the tables it makes.

Run it by `./dev bench`.  What is measured, and how, stands in `bench/scenarios.py`.
"""
