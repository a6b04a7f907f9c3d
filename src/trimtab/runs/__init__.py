"""The agent SDK: functions whose steps are journaled. Its names are those of `trimtab`, and of `trimtab.blocking`."""
