"""The REST service: submits, watches and shows runs. It never trains: it queues, and a launcher starts processes."""
