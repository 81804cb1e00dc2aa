"""Training of the network by gradients: epochs, schedules, the best epoch."""
