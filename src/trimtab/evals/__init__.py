"""Is it good: suites of cases, their scorers and samples, what two versions differ in, and the verdict on that."""
