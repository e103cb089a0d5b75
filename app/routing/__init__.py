"""Which job goes next, and where: queues by deadline, late binding to replicas, and the finishing stage."""
