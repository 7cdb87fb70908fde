"""The HTTP server: connection, request, response, limits. It knows nothing of events."""
