"""The console in the browser and its REST interface: a shell around one verdict store (extra `console`)."""
