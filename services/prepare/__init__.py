"""What containers with the simulator need before they start: configuration, keys, certificates, identities. Its law: nothing made before is made again."""
