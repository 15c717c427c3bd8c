"""The front door: people and programs over HTTPS, each route with who may call it in one table."""
