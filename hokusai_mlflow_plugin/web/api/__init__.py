"""The REST routes: parse, call a service, answer."""
