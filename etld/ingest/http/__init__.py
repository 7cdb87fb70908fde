"""An HTTP/1.1 server that knows nothing of events: connections, requests, answers, limits.

An application (see `server.Application`) is handed each complete request and answers it through its connection.
"""
