"""What runs and production cost: spend, projections, server capacity."""
