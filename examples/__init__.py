"""Programs that use ordergate as its users do: over the bus, by the client."""
