"""The stage `shard`: documents in a random order to token shards."""
