"""Pages for people, made from the services, rules and visibility of the routes."""
