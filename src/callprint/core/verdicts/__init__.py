"""From flow events and a network's answers to verdicts."""
