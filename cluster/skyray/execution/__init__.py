"""One attempt inside a worker: arguments, templates, XComs, log, outcome."""
