"""Replicas that start cold, serve in batches and are paid for, under any controller; the best plan in hindsight."""
