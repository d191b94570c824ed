"""The pages of the service: what the store knows turned into what a template shows. Views are free of the framework."""
