"""The application: its plugins, its models, its drivers."""
