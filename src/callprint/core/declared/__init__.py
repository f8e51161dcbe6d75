"""What packets say themselves about the program that sent them, beside what a network makes of its habits."""
