"""How good identification is: the experiments of docs/identification-results.md."""
