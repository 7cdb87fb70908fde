"""What ends a worker is found out: a note of what it has in hand, and children of its own that try what is suspected.

A worker notes what it works on (`in_hand`). When its lives end there again, the next one has fresh processes do the
same work first (`fork_server`, `server`, `child`), together and then one by one, until `search` knows which of it ends
them. No process that runs librdkafka or Polars is forked for that, and a child has nothing to do with servers.
"""
