"""What the services need of the world, as small Protocols. No implementation lives here; adapters carry the port's file name."""
