"""The REST routes: parse a request, ask a service, answer."""
