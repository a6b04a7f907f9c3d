"""The waist: one frozen snapshot of policy that every gateway worker consults."""
