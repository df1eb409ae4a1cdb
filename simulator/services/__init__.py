"""One module per service of the simulated cloud; each has `serve(cloud)`, a context that is open while it runs.

`simulator.server.SERVICES` lists them. A service reads and changes `cloud.world`, and speaks its real protocol.
"""
