"""The shapes that cross service borders; import the module of the owner you talk to."""
