"""The world behind the ports: the only modules of shared/ that import azure, aiohttp, dns or sqlite3."""
