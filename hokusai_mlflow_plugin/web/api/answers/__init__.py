"""The answer of each route, as the contract with its callers says it.

``NotRequired`` fields are left out where they are not set, as in MLflow's own answers. Times are
epoch milliseconds; numbers that decide about money are exact decimals in strings.
"""
