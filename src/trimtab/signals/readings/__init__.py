"""What is read of the bodies of calls, off their path, so that its distribution can be watched."""
