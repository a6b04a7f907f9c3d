"""The peers measured beside Trimtab: each module starts one in front of the stub and gives it as an arm."""
