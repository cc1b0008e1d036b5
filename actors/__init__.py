"""The Ray actors: thin shells that gather events, call the core, commit, and send."""
