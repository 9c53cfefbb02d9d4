"""Real services on loopback, without containers: for the demo commands, the tests and the benchmarks only.

    jars             Maven artifacts, fetched once into the user's cache folder
    processes        processes that write down who they are, and are ended by exactly that
    cassandra        one node, started from its jars
    tls              a throw-away certificate for the node
    schema           the input tables as Sunbird has them
    snapshot_loader  a snapshot folder into those tables
    content_service  search and hierarchy over a folder of answers
    __main__         `python -m progress_exhaust.stack start|stop`

Nothing outside this room imports it, and it listens on 127.0.0.1 only.
"""
