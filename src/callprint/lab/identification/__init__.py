"""How good identification is: the experiments of docs/results/identification.md."""
