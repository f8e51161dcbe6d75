"""Flows that no model names: clustered into candidate applications, drawn as a map, named by an analyst."""
