"""Routers, one a file: frozen records without parameters. A layer asks its record for the module that learns."""
