"""The token index: scanned, verified, rebuilt, backfilled."""
